//! What programs have from whoever started POD: what is documented, and nothing else.

use std::process::Command;

use pod_tests::Pod;
use serde_json::json;

use crate::client;

/// Signals that are ignored and blocked, a file that is open and locked, a umask.
const ODD: &str = "umask 077; exec 9>>\"$LOCK\"; flock 9; trap '' HUP INT QUIT PIPE CHLD; \
                   exec env --ignore-signal=USR2 --block-signal=USR1,ALRM,WINCH \"$0\" \"$@\"";

#[test]
fn signals_and_open_files_of_whoever_started_it_are_not_passed_on() {
    let pod = Pod::new();
    let lock = pod.path("lock");
    let odd = format!("LOCK='{}'; {ODD}", lock.display());
    let server = pod.serve_after(&odd, "127.0.0.1:0", &["--slots", "1"]);
    let url = server.url();
    let main = "grep -E '^(SigBlk|SigIgn|CapAmb)' /proc/self/status\n\
                for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done; echo\n\
                readlink /proc/$$/fd/0; umask; [ $(ps -o pgid= -p $$) = $$ ] && echo a group of its own";
    client::register(url, "look", main, json!({}));
    let id = client::start(url, "look", "");
    assert_eq!(client::ended(url, id)["exitCode"], 0);
    let seen = String::from_utf8(client::stdout(url, id).body).expect("text").replace('\t', " ");
    let none = "0000000000000000";
    assert_eq!(
        seen,
        format!("SigBlk: {none}\nSigIgn: {none}\nCapAmb: {none}\n0 1 2 \n/dev/null\n0077\na group of its own\n")
    );
    // Its workers live on, and hold nothing of what it had.
    server.kill();
    let free = Command::new("flock").arg("-n").arg(&lock).arg("true").status().expect("flock runs");
    assert!(free.success(), "the lock went with the manager");
}

#[test]
fn the_environment_of_a_program_is_the_documented_one() {
    let pod = Pod::new();
    let server = pod.serve_in(&[("POD_SURPRISE", "1"), ("SURPRISE", "1"), ("LC_ALL", "C"), ("TZ", "UTC")], &[]);
    let url = server.url();
    client::register(url, "look", "tr '\\0' '\\n' < /proc/self/environ | cut -d= -f1 | sort", json!({}));
    let id = client::start(url, "look", "");
    client::ended(url, id);
    let seen = String::from_utf8(client::stdout(url, id).body).expect("text");
    let documented = std::fs::read_to_string("../docs/activities.md").expect("the documentation");
    for name in seen.lines().filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name)) {
        assert!(documented.contains(&format!("`{name}`")), "{name} is in no table of docs/activities.md");
        assert!(!name.contains("SURPRISE") && !["LC_ALL", "TZ"].contains(&name), "{name}");
    }
    assert!(server.stop().success());
}

//! Programs that left no trace of whose they are, and whose keepers are killed.

use std::fs;

use pod_tests::{Pod, signal};
use rustix::process::Signal;
use serde_json::json;

use crate::{client, descendants};

fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Neither their ancestors nor their environment tell whose they are when slots and nursery are gone; but they come to
/// the worker then.
#[test]
fn whoever_escaped_from_killed_slots_and_a_killed_nursery_is_ended() {
    let pod = Pod::new();
    let note = pod.path("pids");
    let server = pod.serve(&["--slots", "2"]);
    let url = server.url();
    let escape = "echo $$ >> \"$0\"; trap \"\" TERM HUP; sh -c \"sleep 1000; :\" & wait";
    let main = format!("env -i setsid setsid sh -c '{escape}' '{}' & sleep 1000", note.display());
    client::register(url, "escapes", &main, json!({}));
    let id = client::start(url, "escapes", "");
    let escaped = || -> Vec<u32> {
        let text = fs::read_to_string(&note).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    client::until("it escapes", || escaped().len() == 1);
    let first = escaped()[0];
    client::until("it has a child", || !descendants::children(first).is_empty());
    let below = descendants::children(first);
    let data = pod.data();
    let worker = descendants::workers(data.to_str().expect("text"))[0];
    let nursery = descendants::children(worker)[0];
    let keepers: Vec<u32> = descendants::children(nursery).into_iter().chain([nursery]).collect();
    // Stopped first, so that none of them can do its duty when another one dies.
    keepers.iter().for_each(|&pid| signal(pid, Signal::STOP));
    keepers.iter().for_each(|&pid| signal(pid, Signal::KILL));
    client::until("all of it is gone", || !lives(first) && below.iter().all(|&pid| !lives(pid)));
    assert!(lives(worker), "the worker goes on");
    client::until("it runs again, as lost work does", || escaped().len() == 2);
    client::post(url, &format!("/api/v1/executions/{id}/terminate"), &json!({}));
    assert_eq!(client::ended(url, id)["status"], "terminated");
    assert!(!lives(escaped()[1]), "this one ended with its execution");
    assert!(server.stop().success());
}

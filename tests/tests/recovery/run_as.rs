//! Programs of another user than POD's: they reach what they need, and nothing else.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
};

use pod_tests::{Pod, after, end_all};
use serde_json::json;
use tempfile::TempDir;

use crate::client;

/// A place that every user can get to. What runs there ends with it.
struct Place(TempDir);

impl Place {
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root may run programs as somebody else");
            return None;
        }
        let builder =
            tempfile::Builder::new().prefix("pod-run-as-").permissions(Permissions::from_mode(0o755)).tempdir();
        Some(Self(builder.expect("a directory can be made")))
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        end_all(self.0.path());
    }
}

#[test]
fn programs_of_another_user_reach_nothing_of_pods_own() {
    let Some(place) = Place::new() else { return };
    let pod = Pod::new();
    let data = place.data();
    let data = data.to_str().expect("text");
    // A umask that leaves nothing to others, as root may have.
    let server =
        pod.serve_after("umask 077", "127.0.0.1:0", &["--data-dir", data, "--run-as", "nobody", "--slots", "2"]);
    let (url, manager) = (server.url(), server.pid());
    let script = "id -un > who; echo a part > part; python3 -c 1 2>/dev/null; cat > main.sh <<'END'\n#!/bin/sh\n\
                  echo \"$(id -un), installed by $(cat who), $(stat -c %U main.sh), $(pwd -P | grep -c programs)\"\n\
                  [ -n \"$POD_INPUT_FILE\" ] && wc -c < \"$POD_INPUT_FILE\"\n\
                  for it in \"$1/pod.db\" \"$1/manager.lock\" /proc/$2/environ /proc/$PPID/environ; do\n\
                  cat \"$it\" >/dev/null 2>&1 && echo \"it can read $it\"; done; ls \"$1\" \"$1/workers\" 2>/dev/null\n\
                  kill -0 $2 2>/dev/null && echo 'it can signal the manager'\n\
                  grep -E '^(NoNewPrivs|CapEff)' /proc/self/status | tr '\\t' ' '; echo mine > mine && cat mine\nEND\n";
    let script = script.replace("$1", data).replace("$2", &manager.to_string());
    client::post(url, "/api/v1/activities", &json!({ "name": "look", "script": script }));
    for (input, length) in [("", ""), (&*"x".repeat(200_000), "200000\n")] {
        let id = client::start(url, "look", input);
        let ended = client::ended(url, id);
        assert_eq!(ended["exitCode"], 0, "{ended}");
        assert_eq!(
            String::from_utf8_lossy(&client::stdout(url, id).body),
            format!("nobody, installed by nobody, nobody, 1\n{length}CapEff: 0000000000000000\nNoNewPrivs: 1\nmine\n")
        );
    }
    // What leaves its session and ignores polite signals is ended all the same.
    let note = place.0.path().join("pid");
    fs::write(&note, "").and_then(|()| fs::set_permissions(&note, Permissions::from_mode(0o666))).expect("writable");
    let main =
        format!("trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > {0}; sleep 1000' & sleep 1000", note.display());
    client::register(url, "stays", &main, json!({}));
    let id = client::start(url, "stays", "");
    let pid = || fs::read_to_string(&note).unwrap_or_default().trim().parse::<u32>().ok();
    client::until("it runs", || pid().is_some());
    let process = PathBuf::from(format!("/proc/{}", pid().expect("it is written")));
    assert_eq!(fs::metadata(&process).expect("it runs").uid(), 65534);
    client::post(url, &format!("/api/v1/executions/{id}/terminate"), &json!({}));
    client::until("it is gone", || !process.exists());
    client::ended(url, id);
    // A directory, with a script of its own or without one.
    let program = pod.program("dir", "echo \"$(id -un) $(stat -c %U part main.sh | uniq)\"; cat part\n");
    fs::write(pod.path("dir/part"), "a part\n").expect("a file");
    for installed in ["", "echo more >> part\n"] {
        if !installed.is_empty() {
            fs::write(pod.path("dir/install.sh"), installed).expect("a file");
        }
        let ran = pod.run(&["run", &program, "--data-dir", data]);
        let more = if installed.is_empty() { "" } else { "more\n" };
        assert_eq!(ran.stdout, format!("nobody nobody\na part\n{more}"), "{}", ran.stderr);
    }
    // A manager that would run them as itself does not take such workers on.
    assert!(server.stop().success());
    let server = pod.serve(&["--data-dir", data]);
    let url = server.url();
    client::register(url, "who", "id -u", json!({}));
    let id = client::start(url, "who", "");
    client::ended(url, id);
    assert_eq!(client::stdout(url, id).body, b"0\n");
    assert!(server.stop().success());
}

#[test]
fn programs_of_a_worker_that_dialled_in_have_another_user_too() {
    let Some(place) = Place::new() else { return };
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let url = server.url();
    client::post(url, "/api/v1/policies", &json!({ "name": "none", "rules": { "fixedWorkers": 0 } }));
    client::post(url, "/api/v1/policies/none/apply", &json!({}));
    let dir = place.0.path().join("worker");
    let dir = dir.to_str().expect("text");
    let arguments = ["worker", "--manager", url, "--slots", "1", "--dir", dir];
    let root = pod.run(&[&arguments[..], &["--run-as", "root"]].concat());
    assert!(root.code == Some(1) && root.stderr.contains("--run-as: \"root\" is root"), "{}", root.stderr);
    let mut worker = pod.command(&[&arguments[..], &["--run-as", "nobody"]].concat()).spawn().expect("it runs");
    let main = format!("id -un; stat -c %U main.sh; ls {dir} 2>/dev/null || echo closed");
    client::register(url, "who", &main, json!({}));
    let id = client::start(url, "who", "");
    client::ended(url, id);
    assert_eq!(String::from_utf8_lossy(&client::stdout(url, id).body), "nobody\nnobody\nclosed\n");
    pod_tests::signal(worker.id(), rustix::process::Signal::TERM);
    assert!(worker.wait().expect("it ends").success());
}

#[test]
fn what_cannot_be_is_refused_in_a_sentence() {
    let Some(place) = Place::new() else { return };
    let pod = Pod::new();
    let data = place.data();
    let data = data.to_str().expect("text");
    let closed = place.0.path().join("closed");
    fs::create_dir(&closed)
        .and_then(|()| fs::set_permissions(&closed, Permissions::from_mode(0o700)))
        .expect("it can be made");
    let closed = closed.join("data");
    let closed = closed.to_str().expect("text");
    for (arguments, said) in [
        (vec!["--data-dir", data, "--run-as", "nobody-knows"], "there is no user \"nobody-knows\""),
        (vec!["--data-dir", data, "--run-as", "root"], "is root or the user of POD itself"),
        (vec!["--data-dir", closed, "--run-as", "nobody"], "nobody cannot reach"),
        (vec!["--data-dir", data, "--run-as", "nobody", "--backend", "docker"], "--docker-user"),
    ] {
        let ran = pod.run(&[&["serve", "--listen", "127.0.0.1:0"], &arguments[..]].concat());
        assert_ne!(ran.code, Some(0));
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
    let open = place.0.path().join("nobodys");
    fs::create_dir(&open)
        .and_then(|()| fs::set_permissions(&open, Permissions::from_mode(0o777)))
        .expect("it can be made");
    let data = open.join("data");
    let serve = pod.command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--run-as",
        "daemon",
        "--data-dir",
        data.to_str().expect("text"),
    ]);
    // Its own file may lie where that user cannot get to; then there is nothing to see.
    let as_nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups test -x \"$0\" || { echo out of reach >&2; exit 0; }; \
                     exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" \"$@\"";
    let ran = after(as_nobody, &serve).output().expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("out of reach") || said.contains("started as root"), "{said}");
}

//! Installations that somebody damages behind POD's back.

use std::{fs, path::PathBuf};

use pod_tests::Pod;
use serde_json::json;

use crate::client;

/// The files of the one installation that there is.
fn installation(pod: &Pod) -> PathBuf {
    let workers = fs::read_dir(pod.data().join("workers")).expect("there is a worker");
    let all = workers.flatten().filter_map(|worker| fs::read_dir(worker.path().join("activities")).ok()).flatten();
    let mut found = all.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    found.next().expect("something is installed")
}

#[test]
fn an_installation_that_was_deleted_or_changed_is_made_again_and_no_execution_fails() {
    let pod = Pod::new();
    let server = pod.serve(&["--slots", "2"]);
    let url = server.url();
    client::register(url, "a", "sleep 0.03; echo \"$1 with $(cat part)\"", json!({}));
    let script =
        "echo a part > part\ncat > main.sh <<'END'\n#!/bin/sh\nsleep 0.03; echo \"$1 with $(cat part)\"\nEND\n";
    client::post(url, "/api/v1/activities", &json!({ "name": "b", "script": script }));
    let wait = || client::get(url, "/api/v1/activities/b").json()["status"] == "approved";
    client::until("it is approved", wait);
    let delete = |dir: &PathBuf| fs::remove_dir_all(dir).expect("it can be deleted");
    let change = |dir: &PathBuf| fs::write(dir.join("main.sh"), "#!/bin/sh\necho another").expect("writable");
    let damages: [&dyn Fn(&PathBuf); 2] = [&delete, &change];
    for damage in damages {
        let ids: Vec<u64> = (0..40).map(|number| client::start(url, "b", &number.to_string())).collect();
        client::until("some have ended", || {
            client::get(url, &format!("/api/v1/executions/{}", ids[5])).json()["finishedAt"].is_string()
        });
        let dirs = fs::read_dir(installation(&pod).parent().expect("a parent")).expect("readable");
        let of_b = dirs.flatten().map(|entry| entry.path()).find(|path| path.join("part").exists());
        damage(&of_b.expect("b is installed"));
        let mut met = Vec::new();
        for (number, &id) in ids.iter().enumerate() {
            let ended = client::ended(url, id);
            assert_eq!(ended["status"], "finished", "{ended}");
            let said = String::from_utf8(client::stdout(url, id).body).expect("text");
            if said != format!("{number} with a part\n") {
                met.push(said);
            }
        }
        // What ran in the very moment, or began in the middle of it, may have met the damage itself: two slots.
        assert!(met.len() <= 4, "{met:?}");
    }
    assert!(server.stop().success());
}

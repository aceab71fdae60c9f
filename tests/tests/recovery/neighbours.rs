//! Executions that would harm those beside them: by what they leave behind, by what they print, by their number.

use std::fs;

use pod_tests::{Pod, processes_of};
use serde_json::{Value, json};

use crate::client;

/// Leaves processes behind in every way there is, each of which writes its id; deaf to TERM.
fn escaping(directory: &str) -> String {
    let sleeper = format!("trap \"\" TERM; echo $$ >> {directory}/escaped; while :; do sleep 0.1; done");
    format!(
        "trap '' TERM\nsetsid sh -c '{sleeper}' &\n(setsid sh -c '({sleeper}) & exit' &)\nenv -i sh -c '{sleeper}' &\n\
         i=0; while [ $i -lt 30 ]; do (sleep 500 & sleep 500) & i=$((i + 1)); done\n\
         while [ \"$(wc -l < {directory}/escaped)\" -lt 3 ]; do sleep 0.05; done\n\
         case $1 in end) exit 0 ;; *) while :; do sleep 0.1; done ;; esac"
    )
}

#[test]
fn what_escapes_is_gone_after_every_kind_of_end_and_the_neighbour_never_notices() {
    let pod = Pod::new();
    let directory = pod.data().parent().expect("it lies in a directory").to_string_lossy().into_owned();
    let server = pod.serve(&["--slots", "2"]);
    let url = server.url();
    client::register(url, "escaping", &escaping(&directory), json!({}));
    client::register(url, "limited", &escaping(&directory), json!({ "timeoutSeconds": 2 }));
    let stop = format!("{directory}/stop");
    client::register(
        url,
        "neighbour",
        &format!("while [ ! -e {stop} ]; do sleep 0.05; done; echo unharmed"),
        json!({}),
    );
    let neighbour = client::start(url, "neighbour", "");

    let escaped = format!("{directory}/escaped");
    let ended = |activity: &str, input: &str, status: &str| {
        fs::write(&escaped, "").expect("the directory takes a file");
        let id = client::start(url, activity, input);
        if status == "terminated" {
            client::until("all have escaped", || {
                fs::read_to_string(&escaped).is_ok_and(|ids| ids.lines().count() >= 3)
            });
            client::post(url, &format!("/api/v1/executions/{id}/terminate"), &json!({}));
        }
        let ended = client::ended(url, id);
        assert_eq!(ended["status"], status, "{ended}");
        let ids = fs::read_to_string(&escaped).expect("they wrote their ids");
        assert!(ids.lines().count() >= 3, "all escaped before the end: {ids:?}");
        // Gone when the end is told, not some time later.
        for id in ids.lines() {
            assert!(!fs::exists(format!("/proc/{id}")).expect("/proc answers"), "process {id} outlived {status}");
        }
    };
    ended("escaping", "end", "finished");
    ended("limited", "stay", "timedOut");
    ended("escaping", "stay", "terminated");

    fs::write(&stop, "").expect("the directory takes a file");
    let ended = client::ended(url, neighbour);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
    assert_eq!(client::stdout(url, neighbour).body, b"unharmed\n");
    assert!(server.stop().success());
}

#[test]
fn one_of_another_activity_starts_promptly_behind_very_many() {
    let pod = Pod::new();
    let server = pod.serve(&["--slots", "2"]);
    let url = server.url();
    client::register(url, "many", ":", json!({}));
    client::register(url, "one", "echo here", json!({}));
    let inputs: Vec<Value> = (0..10_000).map(|number| json!(number.to_string())).collect();
    for _ in 0..10 {
        client::post(url, "/api/v1/executions/batch", &json!({ "activity": "many", "inputs": inputs }));
    }
    let one = client::start(url, "one", "");
    assert_eq!(client::ended(url, one)["status"], "finished");
    let many = client::get(url, "/api/v1/activities/many").json();
    let left = client::get(url, "/api/v1/executions?activity=many&status=waiting&limit=1").json();
    assert!(left["items"].as_array().is_some_and(|items| !items.is_empty()), "it came before the last of {many}");
    let metrics = String::from_utf8_lossy(&client::get(url, "/metrics").body).into_owned();
    let count = |status: &str| {
        let name = format!("pod_executions{{status=\"{status}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok())
    };
    let (waiting, finished) = (count("waiting").unwrap_or(0), count("finished").unwrap_or(0));
    assert!(waiting > 0 && finished > 0 && waiting + finished <= 100_001, "{waiting} wait, {finished} have finished");
    server.kill();
    drop(pod);
}

#[test]
fn a_program_larger_than_the_memory_is_not_read() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let url = server.url();
    // A text as far as one looks, and then nothing for very long, which takes no room on the disk.
    let script =
        "{ printf '#!/bin/sh\\necho hello; exit\\n'; printf '%9000s' ' '; } > main.sh; truncate -s 100G main.sh";
    client::post(url, "/api/v1/activities", &json!({ "name": "huge", "script": script }));
    client::until("it is approved", || {
        let activity = client::get(url, "/api/v1/activities/huge").json();
        assert_ne!(activity["status"], "rejected", "{activity}");
        activity["status"] == "approved"
    });
    let id = client::start(url, "huge", "");
    assert_eq!(client::ended(url, id)["exitCode"], 0);
    assert_eq!(client::stdout(url, id).body, b"hello\n");
    assert!(server.stop().success());
}

#[test]
fn ids_are_never_used_again() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    client::register(server.url(), "first", ":", json!({}));
    let id = client::start(server.url(), "first", "");
    client::ended(server.url(), id);
    let answer = client::ask(server.url(), "DELETE", "/api/v1/activities/first", "", "").expect("it answers");
    assert_eq!(answer.status, 202);
    client::until("the activity is gone", || {
        client::ask(server.url(), "GET", "/api/v1/activities/first", "", "").is_ok_and(|answer| answer.status == 404)
    });
    server.kill();
    let server = pod.serve(&[]);
    client::register(server.url(), "first", ":", json!({}));
    let activity = client::get(server.url(), "/api/v1/activities/first").json();
    assert_eq!(activity["id"], 2, "{activity}");
    assert!(client::start(server.url(), "first", "") > id);
    assert!(server.stop().success());
    assert!(!processes_of(&pod.data().to_string_lossy()).is_empty(), "its worker lives on");
}

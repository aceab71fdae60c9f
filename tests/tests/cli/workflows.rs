//! What a workflow engine does: submit, ask how it is, cancel; each in one line of shell.

use std::time::{Duration, Instant};

use pod_tests::{Pod, Server};

/// Only so that a test that hangs fails with its name.
const WITHIN: Duration = Duration::from_secs(60);

fn manager() -> (Pod, Server) {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    (pod, server)
}

/// What a command prints, and that it went well.
fn said(pod: &Pod, arguments: &[&str]) -> String {
    let ran = pod.run(arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    ran.stdout.trim_end().to_owned()
}

/// Waits until an execution has this status.
fn until(pod: &Pod, id: &str, status: &str) {
    let begun = Instant::now();
    while said(pod, &["status", id]) != status {
        assert!(begun.elapsed() < WITHIN, "execution {id} is not {status}");
        std::thread::yield_now();
    }
}

#[test]
fn a_submit_prints_the_id_and_leaves() {
    let (pod, _server) = manager();
    let program = pod.program("words", "echo \"$1\"; exit 3");
    let id = said(&pod, &["submit", &program, "hello"]);
    assert_eq!(id, "1");
    assert_eq!(said(&pod, &["wait", &id]), "failed");
    assert_eq!(said(&pod, &["status", &id, &id]), "failed\nfailed");
    assert_eq!(said(&pod, &["logs", &id]), "hello");
    let again = pod.run(&["submit", "--wait", &program, "again"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(3), "2\n"), "{}", again.stderr);
    let by_name = pod.run(&["submit", "absent"]);
    assert_eq!((by_name.code, by_name.stdout.as_str()), (Some(1), ""), "{}", by_name.stderr);
}

#[test]
fn what_is_cancelled_need_not_be_waited_for() {
    let (pod, _server) = manager();
    // It takes its grace time to end.
    let program = pod.program("stubborn", "trap '' TERM; echo up; while :; do sleep 1; done");
    let id = said(&pod, &["submit", &program]);
    until(&pod, &id, "running");
    let begun = Instant::now();
    assert_eq!(said(&pod, &["terminate", "--no-wait", &id]), "");
    assert_eq!(said(&pod, &["status", &id]), "running");
    let asked = begun.elapsed();
    assert_eq!(said(&pod, &["wait", &id]), "terminated");
    assert!(asked < begun.elapsed(), "it was waited for");
}

#[test]
fn one_execution_is_shown_with_all_that_is_known() {
    let (pod, _server) = manager();
    let program = pod.program("words", "exit 4");
    let id = said(&pod, &["submit", &program, "漢字 \u{202e}x"]);
    said(&pod, &["wait", &id]);
    let shown = said(&pod, &["show", &id]);
    for fact in [
        "id           1",
        "activity     words, revision 1",
        "status       failed",
        "exit code    4",
        "input        漢字 \\u{202e}x",
    ] {
        assert!(shown.lines().any(|line| line == fact), "{fact:?} in\n{shown}");
    }
    let json: serde_json::Value = serde_json::from_str(&said(&pod, &["show", "--json", &id])).expect("JSON");
    assert_eq!((&json["exitCode"], &json["status"], &json["revision"]), (&4.into(), &"failed".into(), &1.into()));
}

#[test]
fn what_is_not_there_is_told_from_who_does_not_answer() {
    let (pod, server) = manager();
    let commands: [&[&str]; 5] = [&["show", "7"], &["status", "7"], &["explain", "7"], &["logs", "7"], &["wait", "7"]];
    for command in commands {
        let ran = pod.run(command);
        assert_eq!(ran.code, Some(1), "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains('7'), "{command:?}: {}", ran.stderr);
    }
    drop(server);
    for command in [["show", "7"], ["status", "7"], ["submit", "words"]] {
        let ran = pod.run(&command);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{command:?}: {}", ran.stderr);
    }
}

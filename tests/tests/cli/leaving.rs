//! A worker that is asked to end, as a person or a service manager does it.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use pod_tests::{Pod, Server, signal, wait};
use rustix::process::Signal;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A manager that has no workers but those that dial in.
fn without_workers(pod: &Pod) -> Server {
    let server = pod.serve(&[]);
    for command in [&["newPolicy", "none", "fixedWorkers=0"][..], &["applyPolicy", "none"]] {
        let ran = pod.command(command).env("POD", server.url()).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    server
}

fn worker(pod: &Pod, server: &Server, name: &str, more: &[&str]) -> Child {
    let dir = pod.path(name);
    let arguments = ["worker", "--manager", server.url(), "--slots", "1", "--dir", dir.to_str().unwrap()];
    let all: Vec<&str> = arguments.into_iter().chain(more.iter().copied()).collect();
    pod.command(&all).stderr(Stdio::null()).spawn().unwrap()
}

/// The executions there are: status, attempt, losses.
fn executions(pod: &Pod) -> Vec<(String, u64, u64)> {
    let listed = pod.run(&["ps", "-a", "-o", "json"]);
    let executions: Vec<serde_json::Value> = serde_json::from_str(&listed.stdout).expect(&listed.stderr);
    let number = |execution: &serde_json::Value, name: &str| execution[name].as_u64().unwrap_or(99);
    let of = |execution: &serde_json::Value| {
        let status = execution["status"].as_str().unwrap_or_default().to_owned();
        (status, number(execution, "attempt"), number(execution, "losses"))
    };
    executions.iter().map(of).collect()
}

#[test]
fn what_runs_in_a_worker_that_is_asked_to_end_may_end_and_then_it_ends_with_0() {
    let pod = Pod::new();
    let server = without_workers(&pod);
    let mut worker = worker(&pod, &server, "worker", &[]);
    let gate = pod.path("gate");
    let program = pod.program("gated", "echo up; until [ -e \"$1\" ]; do sleep 0.02; done; echo done\n");
    let mut live = pod.spawn(&["run", &program, gate.to_str().unwrap()], &[]);
    assert_eq!(live.line(), "up");
    signal(worker.id(), Signal::TERM);
    std::fs::write(gate, "").unwrap();
    let ran = live.finish();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "done\n"), "{}", ran.stderr);
    assert_eq!(wait(&mut worker, TIMEOUT).and_then(|status| status.code()), Some(0));
    assert_eq!(executions(&pod), [("finished".to_owned(), 1, 0)]);
}

#[test]
fn what_has_not_ended_when_a_worker_leaves_cleans_up_and_runs_on_the_next_one() {
    let pod = Pod::new();
    let server = without_workers(&pod);
    let mut first = worker(&pod, &server, "first", &["--leave-within", "0s"]);
    let gate = pod.path("gate");
    let main = "trap 'echo cleaned; exit 1' TERM; echo up; until [ -e \"$1\" ]; do sleep 0.02; done; echo done\n";
    let program = pod.program("gated", main);
    let mut live = pod.spawn(&["run", &program, gate.to_str().unwrap()], &[]);
    assert_eq!(live.line(), "up");
    signal(first.id(), Signal::TERM);
    assert_eq!(wait(&mut first, TIMEOUT).and_then(|status| status.code()), Some(0));
    assert_eq!(executions(&pod), [("waiting".to_owned(), 1, 0)]);
    let mut second = worker(&pod, &server, "second", &[]);
    std::fs::write(gate, "").unwrap();
    let ran = live.finish();
    assert!(ran.code == Some(0) && ran.stdout.ends_with("up\ndone\n"), "{ran:?}");
    assert_eq!(executions(&pod), [("finished".to_owned(), 2, 0)]);
    signal(second.id(), Signal::TERM);
    assert_eq!(wait(&mut second, TIMEOUT).and_then(|status| status.code()), Some(0));
}

#[test]
fn a_worker_that_is_asked_twice_ends_at_once() {
    let pod = Pod::new();
    let server = without_workers(&pod);
    let mut worker = worker(&pod, &server, "worker", &["--leave-within", "1h"]);
    let program = pod.program("endless", "trap '' TERM; echo up; while :; do sleep 0.02; done\n");
    let mut live = pod.spawn(&["run", &program], &[]);
    assert_eq!(live.line(), "up");
    signal(worker.id(), Signal::TERM);
    assert_eq!(wait(&mut worker, Duration::from_millis(300)), None, "it waits for what it runs");
    signal(worker.id(), Signal::TERM);
    assert_eq!(wait(&mut worker, TIMEOUT).and_then(|status| status.code()), Some(143));
    assert_eq!(executions(&pod), [("waiting".to_owned(), 1, 0)]);
    drop(live);
}

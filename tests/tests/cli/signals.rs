//! Signals that were ignored when a command began: it was started under `nohup`, or in the background of a script, and
//! whoever did that wants it to go on.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use pod_tests::{Pod, after, signal, until, wait};
use rustix::process::Signal;

use crate::run::GATE;

#[test]
fn a_run_and_a_map_go_on_through_a_signal_that_was_ignored() {
    for (name, ignored) in [("HUP", Signal::HUP), ("INT", Signal::INT)] {
        let pod = Pod::new();
        let program = pod.program("long", &format!("echo up\n{GATE}echo done\n"));
        let gate = pod.path("gate");
        std::fs::write(pod.path("lines"), format!("{}\n", gate.display())).unwrap();
        let (input, lines) = (gate.to_str().unwrap().to_owned(), pod.path("lines"));
        for words in [["run", &program, &input], ["map", &program, lines.to_str().unwrap()]] {
            let _ = std::fs::remove_file(&gate);
            let mut command = after(&format!("trap '' {name}"), &pod.command(&words));
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            until("it runs", || {
                let listed = pod.run(&["ps", "--status", "running", "-o", "ndjson"]).stdout;
                listed.lines().count() == 1
            });
            signal(child.id(), ignored);
            // What the signal would have ended, ends before what comes after it.
            until("it is still there", || {
                pod.run(&["ps", "--status", "running", "-o", "ndjson"]).stdout.contains("running")
            });
            std::fs::write(&gate, "").unwrap();
            let status = wait(&mut child, Duration::from_secs(60)).expect("it ends");
            assert_eq!(status.code(), Some(0), "{name} {words:?}");
            let out = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect::<Vec<_>>();
            assert_eq!(out, ["up", "done"], "{name} {words:?}");
        }
    }
}

#[test]
fn a_manager_and_a_worker_go_on_after_a_hangup_under_nohup_and_end_by_other_signals() {
    let pod = Pod::new();
    let mut server = after("trap '' HUP", &pod.command(&["serve", "--listen", "127.0.0.1:0"]))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut listening = String::new();
    let mut said = BufReader::new(server.stderr.take().unwrap());
    said.read_line(&mut listening).unwrap();
    let url = listening.trim().strip_prefix("listening on ").expect("it listens").to_owned();
    let dir = pod.path("worker");
    let worker = ["worker", "--manager", &url, "--slots", "1", "--dir", dir.to_str().unwrap()];
    let mut worker = after("trap '' HUP", &pod.command(&worker)).stderr(Stdio::null()).spawn().unwrap();
    until("the worker is there", || pod.run(&["workers", "-o", "json"]).stdout.contains("\"ready\""));
    for pid in [server.id(), worker.id()] {
        assert!(ignores(pid, Signal::HUP));
        signal(pid, Signal::HUP);
    }
    let program = pod.program("hello", "echo hello\n");
    assert_eq!(pod.run(&["run", &program]).stdout, "hello\n");
    assert!(worker.try_wait().unwrap().is_none() && server.try_wait().unwrap().is_none());
    for child in [&mut worker, &mut server] {
        signal(child.id(), Signal::TERM);
        let status = wait(child, Duration::from_secs(30)).expect("it ends");
        assert_eq!(status.code(), Some(0));
    }
}

/// Whether a process ignores a signal, as the system says.
fn ignores(pid: u32, signal: Signal) -> bool {
    let script = format!("awk '/^SigIgn/ {{ print $2 }}' /proc/{pid}/status");
    let mask = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
    let mask = u64::from_str_radix(String::from_utf8(mask).unwrap().trim(), 16).unwrap();
    mask & (1 << (signal.as_raw() - 1)) != 0
}

#[test]
fn what_was_not_ignored_ends_it_as_ever() {
    let pod = Pod::new();
    let program = pod.program("long", "echo up\nsleep 1000\n");
    for (ending, code) in [(Signal::HUP, 129), (Signal::TERM, 143)] {
        let mut live = pod.spawn(&["run", &program], &[]);
        assert_eq!(live.line(), "up");
        signal(live.pid(), ending);
        assert_eq!(live.finish().code, Some(code));
    }
}

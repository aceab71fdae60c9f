//! `pod map`: one execution per line.

use std::{fs::read_to_string, io::Write, process::Stdio, time::Duration};

use pod_tests::{HeldAnswer, Pod, processes_of, signal, wait};
use rustix::process::Signal;

#[test]
fn results_come_in_the_order_of_the_lines() {
    let pod = Pod::new();
    // The first line can end only after the second one.
    let main = "case $1 in\n slow) until [ -e ../../gate-open ]; do sleep 0.02; done;;\n fast) : > ../../gate-open;;\nesac\n\
                echo \"$1\"; echo \"$1\" >&2\n";
    let program = pod.program("order", &main.replace("../../gate-open", pod.path("gate").to_str().unwrap()));
    let mut command = pod.command(&["map", &program, pod.path("lines").to_str().unwrap()]);
    std::fs::write(pod.path("lines"), "slow\nfast\n\nlast").unwrap();
    let output = command.env("POD_SLOTS", "2").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "slow\nfast\n\nlast\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "slow\nfast\n\nlast\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn many_lines_are_each_run_once() {
    let pod = Pod::new();
    let program = pod.program("count", "echo \"$1\"\n");
    let lines: String = (0..3000).map(|number| format!("{number}\n")).collect();
    let ran = pod.run_with(&["map", &program], lines.as_bytes());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout == lines, "{} bytes", ran.stdout.len());
}

#[test]
fn no_line_is_no_work() {
    let pod = Pod::new();
    let program = pod.program("idle", "echo never\n");
    let ran = pod.run_with(&["map", &program, "-"], b"");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn failed_lines_are_named_and_only_they_are_run_again() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let fixed = pod.path("fixed");
    let main = "echo \"out $1\"; echo \"err $1\" >&2\n[ \"$1\" != b ] || [ -e FIXED ] || exit 7\n";
    let program = pod.program("flaky", &main.replace("FIXED", fixed.to_str().unwrap()));
    let results = pod.path("results");
    let arguments = ["map", &program, "-", "--results", results.to_str().unwrap()];
    let ran = pod.run_with(&arguments, b"a\nb\nc\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert_eq!(ran.stderr, "pod: 1 of 3 lines failed (line 2)\n");
    let result = |name: &str| read_to_string(results.join(name)).unwrap();
    assert_eq!(
        (result("2.out"), result("2.err"), result("2.exit")),
        ("out b\n".into(), "err b\n".into(), "7\n".into())
    );
    assert_eq!(result("1.exit"), "0\n");

    std::fs::write(fixed, "").unwrap();
    let again = [&arguments[..], &["--retry-failed"]].concat();
    let ran = pod.run_with(&again, b"a\nb\nc\n");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(result("2.exit"), "0\n");
    let listed = pod.run(&["ps", "-a", "-o", "ndjson"]);
    assert_eq!(listed.stdout.lines().count(), 4, "three, and one again");
}

#[test]
fn a_line_that_fails_is_run_once_more_where_that_is_wanted() {
    let pod = Pod::new();
    let once = pod.path("once");
    let main = "[ -e ONCE ] && exit 0\n: > ONCE\nexit 1\n".replace("ONCE", once.to_str().unwrap());
    let program = pod.program("second-time", &main);
    let ran = pod.run_with(&["map", &program, "--retry-failed"], b"x\n");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn too_many_failures_end_the_rest() {
    let pod = Pod::new();
    let program = pod.program("mixed", "[ \"$1\" = bad ] && exit 1\nsleep 1000\n");
    let lines = format!("long\nbad\n{}", "long\n".repeat(200));
    let ran = pod.run_with(&["map", &program, "--max-fails", "1"], lines.as_bytes());
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("1 of 202 lines failed (line 2); the rest was terminated"), "{}", ran.stderr);
    assert_eq!(processes_of(pod.path("").to_str().unwrap()), [0_u32; 0]);
}

#[test]
fn ctrl_c_terminates_all_of_it() {
    let pod = Pod::new();
    let program = pod.program("long", "echo \"$1\"\n[ \"$1\" = first ] || sleep 1000\n");
    std::fs::write(pod.path("lines"), format!("first\n{}", "long\n".repeat(100))).unwrap();
    let mut live = pod.spawn(&["map", &program, pod.path("lines").to_str().unwrap()], &[]);
    assert_eq!(live.line(), "first");
    live.interrupt();
    let ran = live.finish();
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert_eq!(processes_of(pod.path("").to_str().unwrap()), [0_u32; 0]);
}

#[test]
fn ctrl_c_while_lines_are_submitted_terminates_them_too() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let program = pod.program("long", "sleep 1000\n");
    // The manager has the batch and has not answered yet.
    let between = HeldAnswer::of(server.url(), "/executions/batch");
    let mut command = pod.command(&["map", &program, "--server", between.url()]);
    let mut map = command.stdin(Stdio::piped()).spawn().unwrap();
    map.stdin.take().unwrap().write_all(&b"line\n".repeat(50)).unwrap();
    between.wait_until_held();
    signal(map.id(), Signal::INT);
    // Time enough to leave without the ids, which is what must not happen.
    std::thread::sleep(Duration::from_millis(200));
    between.release();
    assert_eq!(wait(&mut map, Duration::from_secs(60)).and_then(|status| status.code()), Some(130));
    let listed = pod.run(&["ps", "-a", "-o", "ndjson"]);
    // As many as had been read when the batch was sent.
    assert!(listed.stdout.lines().count() > 0, "{}", listed.stderr);
    for line in listed.stdout.lines() {
        let execution: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(execution["status"], "terminated");
    }
}

#[test]
fn a_line_that_cannot_be_run_is_one_failed_line_among_the_others() {
    let pod = Pod::new();
    let program = pod.program("echo", "echo \"$1\"\n");
    let lines = [b"a\nb\0\nc\n\xff\n", &vec![b'x'; (1 << 20) + 1][..], b"\nf\n"].concat();
    let ran = pod.run_with(&["map", &program], &lines);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "a\nc\nf\n"), "{}", ran.stderr);
    for (number, why) in [(2, "NUL"), (4, "not UTF-8"), (5, "1048576")] {
        let said = ran.stderr.lines().find(|line| line.contains(&format!("line {number} of the input cannot be run")));
        assert!(said.is_some_and(|line| line.contains(why)), "{}", ran.stderr);
    }
    assert!(ran.stderr.contains("3 of 6 lines failed (line 2, 4, 5)"), "{}", ran.stderr);

    let results = pod.path("results");
    let ran = pod.run_with(&["map", &program, "--results", results.to_str().unwrap()], &lines);
    assert_eq!(ran.code, Some(1));
    let result = |name: &str| read_to_string(results.join(name)).unwrap();
    assert!(result("2.exit").contains("cannot be run") && result("2.out").is_empty(), "{}", result("2.exit"));
    assert_eq!((result("6.out"), result("6.exit")), ("f\n".into(), "0\n".into()));
    let limited = pod.run_with(&["map", &program, "--max-fails", "2"], &b"\xff\n\xff\n".repeat(9));
    assert!(limited.code == Some(1) && limited.stderr.contains("lines failed (line 1, 2"), "{}", limited.stderr);
}

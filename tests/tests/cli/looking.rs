//! Commands that look at executions and act on them.

use std::process::Stdio;

use pod_tests::Pod;

#[test]
fn logs_show_what_was_printed() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let program = pod.program("talks", "for i in 1 2 3; do echo \"out $i\"; echo \"err $i\" >&2; done\n");
    assert_eq!(pod.run(&["run", &program]).code, Some(0));
    let (out, err) = ("out 1\nout 2\nout 3\n", "err 1\nerr 2\nerr 3\n");
    let cases: [(&[&str], &str, &str); 8] = [
        (&[], out, err),
        (&["-f"], out, err),
        (&["--stdout"], out, ""),
        (&["--stderr"], "", err),
        (&["--tail", "1"], "out 3\n", "err 3\n"),
        (&["--tail", "0", "-f"], "", ""),
        (&["--attempt", "1", "--stdout"], out, ""),
        (&["--since", "1d"], out, err),
    ];
    for (flags, stdout, stderr) in cases {
        let ran = pod.run(&[&["logs", "1"], flags].concat());
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), stdout, stderr), "{flags:?}");
    }
    let stamped = pod.run(&["logs", "1", "-t", "--stdout"]).stdout;
    for (line, number) in stamped.lines().zip(1..) {
        assert!(line.starts_with("20") && line.ends_with(&format!("Z out {number}")), "{line}");
    }
}

/// Runs it with stdout and stderr in one file, as in a terminal.
fn together(pod: &Pod, args: &[&str]) -> String {
    let path = pod.path("both");
    let file = std::fs::File::create(&path).unwrap();
    let status = pod.command(args).stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
    assert!(status.success(), "{args:?}");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn both_streams_come_in_the_order_they_were_printed() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let program = pod.program(
        "turns",
        "for i in 1 2 3; do echo \"out $i\"; sleep 0.3; echo \"err $i\" >&2; sleep 0.3; done; sleep 6; echo end\n",
    );
    let expected = "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nend\n";
    assert_eq!(together(&pod, &["run", &program]), expected, "while it runs");
    let ended = std::time::Instant::now();
    for flags in [&[][..], &["-f"], &["--attempt", "1", "-f"], &["--since", "1h"], &["--tail", "9"]] {
        assert_eq!(together(&pod, &[&["logs", "1"], flags].concat()), expected, "{flags:?}");
    }
    assert_eq!(together(&pod, &["logs", "1", "--tail", "2"]), "err 2\nout 3\nerr 3\nend\n", "of each stream");

    let stamped = together(&pod, &["logs", "1", "-t"]);
    let (times, lines): (Vec<_>, Vec<_>) = stamped.lines().map(|line| line.split_once(' ').unwrap()).unzip();
    assert_eq!(lines.join("\n") + "\n", expected);
    assert!(times.is_sorted() && times.iter().all(|time| time.starts_with("20")), "{stamped}");
    // Half of the pause before the last line.
    let since = format!("{}ms", ended.elapsed().as_millis() + 3000);
    assert_eq!(together(&pod, &["logs", "1", "--since", &since]), "end\n");
}

#[test]
fn executions_are_listed_waited_for_explained_and_repeated() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let program = pod.program("fails", "echo hi; exit 5\n");
    assert_eq!(pod.run(&["run", &program, "x"]).code, Some(5));

    let listed = pod.run(&["ps", "-a"]).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("ID  ACTIVITY") && lines.len() == 2, "{listed}");
    assert!(lines[1].starts_with("1   fails") && lines[1].contains("failed  5"), "{listed}");
    assert_eq!(pod.run(&["ps"]).stdout.lines().count(), 1, "nothing waits or runs");
    let json: serde_json::Value = serde_json::from_str(&pod.run(&["ps", "-a", "-o", "json"]).stdout).unwrap();
    assert_eq!((&json[0]["exitCode"], &json[0]["input"]), (&5.into(), &"x".into()));

    assert_eq!(pod.run(&["wait", "1"]).code, Some(0));
    assert_eq!(pod.run(&["wait", "1", "--exit-status"]).code, Some(5));
    let explained = pod.run(&["explain", "1"]).stdout;
    assert!(explained.contains('5'), "{explained}");
    assert_eq!(pod.run(&["retry", "1"]).stdout, "2\n");
    assert_eq!(pod.run(&["wait", "2", "--exit-status"]).code, Some(5));
    assert_eq!(pod.run(&["logs", "2"]).stdout, "hi\n");
    let ran = pod.run(&["terminate", "2"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "pod: execution 2 has already ended\n"));
    for (status, count) in [("failed", 3), ("finished", 1)] {
        let listed = pod.run(&["ps", "-a", "--status", status]);
        assert_eq!((listed.code, listed.stdout.lines().count()), (Some(0), count), "{}", listed.stdout);
    }
}

#[test]
fn an_execution_that_runs_is_terminated_from_elsewhere() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let program = pod.program("long", "echo up\nsleep 1000\n");
    let mut live = pod.spawn(&["run", &program], &[]);
    assert_eq!(live.line(), "up");
    assert!(pod.run(&["ps"]).stdout.contains("running"));
    let ran = pod.run(&["wait", "1", "--timeout", "50ms"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(pod.run(&["terminate", "1"]).code, Some(0));
    let ran = live.finish();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "pod: execution 1 was terminated\n"));
}

#[test]
fn a_list_whose_reader_goes_away_ends_quietly() {
    let pod = Pod::new();
    let mut child =
        pod.command(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(141), &b""[..]));
}

#[test]
fn policies_and_the_fleet_are_shown() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    assert_eq!(pod.run(&["policy", "new", "busy", "minWorkers=1,maxWorkers=2"]).code, Some(0));
    assert_eq!(pod.run(&["policy", "apply", "busy"]).code, Some(0));
    let listed = pod.run(&["policy", "list"]).stdout;
    assert!(listed.lines().any(|line| line.starts_with("busy     yes")), "{listed}");
    assert_eq!(pod.run(&["policy", "delete", "busy"]).code, Some(0));
    assert!(pod.run(&["top"]).stdout.starts_with("executions "));
    assert_eq!(pod.run(&["workers", "-o", "json"]).code, Some(0));
}

#[test]
fn all_that_match_are_listed_terminated_and_repeated() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let program = pod.program("naps", "[ \"$1\" = short ] || sleep 1000\n");
    assert_eq!(pod.run(&["run", &program, "short"]).code, Some(0));
    let since = ["ps", "-a", "--since", "1d"];
    assert_eq!(pod.run(&since).stdout.lines().count(), 2);
    assert_eq!(pod.run(&[&since[..], &["--until", "2020-01-01"]].concat()).stdout.lines().count(), 1);
    let again = pod.run(&["retry", "--activity", "naps", "--status", "finished"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "2\n"));
    assert_eq!(pod.run(&["wait", "2"]).code, Some(0));
    let none = pod.run(&["terminate", "--status", "waiting", "--since", "1h"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), "0 executions are being terminated\n"));
    for wrong in [&["terminate"][..], &["retry"], &["terminate", "1", "--status", "waiting"], &["ps", "--since", "x"]] {
        assert_eq!(pod.run(wrong).code, Some(2), "{wrong:?}");
    }
}

#[test]
fn a_drained_worker_ends_what_it_runs_and_goes() {
    let pod = Pod::new();
    let _server = pod.serve(&["--slots", "1"]);
    let program = pod.program("waits", "echo ready; until [ -e \"$1\" ]; do sleep 0.05; done; echo done\n");
    let go = pod.path("go");
    let mut running = pod.spawn(&["run", &program, go.to_str().unwrap()], &[]);
    assert_eq!(running.line(), "ready");
    let drained = pod.run(&["drain", "1"]);
    assert_eq!((drained.code, drained.stdout.as_str(), drained.stderr.as_str()), (Some(0), "", ""));
    assert!(pod.run(&["workers"]).stdout.contains("draining"));
    std::fs::write(go, "").unwrap();
    assert_eq!(running.finish().code, Some(0), "what it runs is not disturbed");
    assert_eq!(pod.run(&["drain", "1", "--wait"]).code, Some(0));
    let again = pod.run(&["drain", "1"]);
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), "pod: worker 1 has already ended\n"));
    let unknown = pod.run(&["drain", "99"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("99"), "{}", unknown.stderr);
    assert_eq!(pod.run(&["drain", "first"]).code, Some(2));
}

//! What is wrong with a command gets one sentence that says what to do, and an exit code that tells the kind.

use std::net::TcpListener;

use pod_tests::Pod;

/// Arguments, what is on stdin, the exit code, and a part of the sentence.
type Case<'a> = (&'a [&'a str], &'a [u8], i32, &'a str);

fn check(pod: &Pod, cases: &[Case<'_>]) {
    for (arguments, stdin, code, sentence) in cases {
        let ran = pod.run_with(arguments, stdin);
        assert_eq!(ran.code, Some(*code), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(sentence), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        if *code != 2 {
            assert_eq!(ran.stderr.lines().count(), 1, "{arguments:?}: {}", ran.stderr);
            assert!(ran.stderr.starts_with("pod: "), "{arguments:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn mistakes_that_need_no_manager() {
    let pod = Pod::new();
    let empty = pod.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let odd = pod.program("odd name", "echo\n");
    let echo = pod.program("echo", "echo\n");
    let huge = vec![b'x'; 50 << 20];
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    check(
        &pod,
        &[
            (&["ps"], b"", 3, "start one with `pod serve`"),
            (&["ps", "--server", &free], b"", 3, &free),
            (&["ps", "--server", "ftp://x"], b"", 1, "write it as http://HOST:PORT"),
            (&["run", "./absent"], b"", 1, "cannot be read"),
            (&["run", empty.to_str().unwrap()], b"", 1, "neither main.sh nor an install.sh"),
            (&["run", &odd], b"", 1, "rename the directory"),
            (&["run", &format!("{echo}/main.sh")], b"", 1, "is a file"),
            (&["run", &echo, "-"], &huge, 1, "the most that an input may have"),
            (&["run", &echo, "-"], b"a\0b", 1, "NUL character at byte 1"),
            (&["run", &echo, "-"], b"\xff", 1, "not UTF-8"),
            (&["map", &echo, "/absent"], b"", 1, "/absent cannot be read"),
            (&["map", &echo, empty.to_str().unwrap()], b"", 1, "cannot be read"),
            (&["map", &echo, "--results", "/dev/null/x"], b"", 1, "choose another directory"),
            (&["deploy"], b"", 1, "pod serve"),
            (&["run"], b"", 2, "Usage"),
            (&["frobnicate"], b"", 2, "unrecognized subcommand"),
            (&["logs", "abc"], b"", 2, "is not an execution's id"),
            (&["explain", "abc"], b"", 2, "a number such as 4711"),
            (&["wait", "1", "--timeout", "5 parsecs"], b"", 2, "is not a duration"),
            (&["ps", "--status", "done"], b"", 2, "waiting, running, finished"),
        ],
    );
}

#[test]
fn mistakes_that_the_manager_finds() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let hello = pod.program("hello", "echo hello\n");
    assert_eq!(pod.run(&["run", &hello]).code, Some(0));
    check(
        &pod,
        &[
            (&["run", "absent"], b"", 1, "neither a directory \"absent\" here nor an activity"),
            (&["run", "helo"], b"", 1, "did you mean hello?"),
            (&["map", "helo"], b"x\n", 1, "did you mean hello?"),
            (&["map", "absent"], b"x\n", 1, "neither a directory \"absent\" here nor an activity"),
            (&["ps", "--activity", "helo"], b"", 1, "has no activity \"helo\"; did you mean hello?"),
            (&["policy", "apply", "defualt"], b"", 1, "did you mean default?"),
            (&["logs", "999"], b"", 1, "999"),
            (&["explain", "999"], b"", 1, "999"),
            (&["wait", "999"], b"", 1, "999"),
            (&["terminate", "999"], b"", 1, "999"),
            (&["retry", "999"], b"", 1, "999"),
            (&["policy", "apply", "absent"], b"", 1, "has no policy \"absent\""),
            (&["policy", "new", "p", "minWorkers=x"], b"", 1, "minWorkers"),
            (&["policy", "delete", "default"], b"", 1, "default policy"),
        ],
    );
    let held = pod.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(held.code, Some(1));
    assert!(held.stderr.contains("is in use by the manager with process id"), "{}", held.stderr);
}

#[test]
fn a_missing_token_has_its_own_exit_code() {
    let pod = Pod::new();
    let _server = pod.serve(&["--token", "a-long-random-text"]);
    for arguments in [&["ps"][..], &["gw"], &["run", "x"]] {
        let ran = pod.run(arguments);
        assert_eq!(ran.code, Some(4), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("POD_TOKEN"), "{}", ran.stderr);
    }
    assert_eq!(pod.run(&["ps", "--token", "a-long-random-text"]).code, Some(0));
}

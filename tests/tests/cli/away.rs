//! Managers that are away: one that is restarted is waited for by every command alike, and a name that leads nowhere is
//! said at once.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Stdio,
    time::Duration,
};

use pod_tests::{Pod, Ran, wait};

/// An address at which nobody listens by now.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn every_command_waits_for_a_manager_that_is_restarted() {
    let pod = Pod::new();
    let address = free_address();
    let program = pod.program("hello", "echo hello\n");
    let server = pod.serve_at(&address, &[]);
    assert_eq!(pod.run(&["run", &program]).code, Some(0));
    assert!(server.stop().success());
    let named = format!("http://{address}");
    let commands: [&[&str]; 13] = [
        &["ps", "-a"],
        &["explain", "1"],
        &["logs", "1"],
        &["wait", "1"],
        &["terminate", "1"],
        &["retry", "1"],
        &["activities"],
        &["workers"],
        &["policy", "list"],
        &["newExecution", "hello"],
        &["getWorkers"],
        &["top"],
        &["run", &program],
    ];
    let begin = |arguments: &[&str], named: &[&str]| {
        let mut command = pod.command(&[arguments, named].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the pod binary runs")
    };
    // Named by its address, and by its data directory, which nobody holds meanwhile. A run would host a manager there.
    let by_address = commands.iter().map(|words| (*words, begin(words, &["--server", &named])));
    let by_directory = commands[..12].iter().map(|words| (*words, begin(words, &[])));
    let mut begun: Vec<_> = by_address.chain(by_directory).collect();
    // All of them have found nobody.
    std::thread::sleep(Duration::from_millis(500));
    for (words, child) in &mut begun {
        assert!(child.try_wait().unwrap().is_none(), "{words:?} did not wait");
    }
    let _server = pod.serve_at(&address, &[]);
    for (words, child) in begun {
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn who_is_not_there_is_told_apart_from_what_is_not_there() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let nobody = free_address();
    for words in [&["explain", "999"][..], &["logs", "999"], &["terminate", "999"], &["retry", "999"]] {
        let missing = pod.run(&[words, &["--server", server.url()]].concat());
        assert_eq!(missing.code, Some(1), "{words:?}: {}", missing.stderr);
        let unknown = pod.run(&[words, &["--server", "no-such-host.invalid"]].concat());
        assert_eq!(unknown.code, Some(5), "{words:?}: {}", unknown.stderr);
        assert!(unknown.stderr.contains("no-such-host.invalid cannot be resolved"), "{}", unknown.stderr);
    }
    let away = pod.run(&["explain", "999", "--server", &nobody]);
    assert_eq!((away.code, away.stderr.lines().count()), (Some(3), 1), "{}", away.stderr);
    assert!(away.stderr.contains(&nobody), "{}", away.stderr);
    // Commands that wait for something do not wait for a name.
    let program = pod.program("hello", "echo hello\n");
    for words in [&["run", &program][..], &["map", &program, "/dev/null"], &["wait", "1"], &["newExecution", "hello"]] {
        let mut child = pod.command(words).env("POD", "no-such-host.invalid").stderr(Stdio::null()).spawn().unwrap();
        let status = wait(&mut child, Duration::from_secs(30)).unwrap_or_else(|| panic!("{words:?} went on trying"));
        assert_eq!(status.code(), Some(5), "{words:?}");
    }
}

#[test]
fn something_else_at_the_address_is_no_manager() {
    let pod = Pod::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = connection.read(&mut head);
            let _ = connection
                .write_all(b"HTTP/1.1 501 Unsupported\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>");
        }
    });
    let program = pod.program("hello", "echo hello\n");
    for words in [&["run", &program][..], &["ps"], &["explain", "1"], &["terminate", "1"]] {
        let ran = pod.run(&[words, &["--server", &address]].concat());
        assert_eq!(ran.code, Some(5), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("does not speak POD's API (it answered 501"), "{}", ran.stderr);
    }
    let sent = pod.command(&["ps", "--server", &address]).env("POD_TOKEN", "abc\r").output().expect("it runs");
    assert!(String::from_utf8_lossy(&sent.stderr).contains("the token has characters that cannot be sent"));
}

#[test]
fn another_execution_is_not_started_where_the_answer_was_lost() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let program = pod.program("hello", "echo hello\n");
    assert_eq!(pod.run(&["run", &program]).code, Some(0));
    for (words, path) in [(&["newExecution", "hello"][..], "/POD/"), (&["retry", "1"], "/retry")] {
        let before = pod.run(&["ps", "-a", "-o", "ndjson"]).stdout.lines().count();
        let between = pod_tests::HeldAnswer::of(server.url(), path);
        let mut command = pod.command(&[words, &["--server", between.url()]].concat());
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        between.wait_until_held();
        between.cut();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.stderr);
        let after = pod.run(&["ps", "-a", "-o", "ndjson"]).stdout.lines().count();
        assert_eq!(after, before + 1, "{words:?}");
    }
}

#[test]
fn a_backend_that_the_manager_does_not_have_is_refused() {
    let pod = Pod::new();
    let program = pod.program("hello", "echo hello\n");
    let none = pod.run(&["run", &program, "--docker-memory", "1GiB"]);
    assert!(none.code == Some(1) && none.stderr.contains("add --backend docker"), "{}", none.stderr);
    let server = pod.serve(&[]);
    for named in [&[][..], &["--server", server.url()]] {
        for command in ["run", "map"] {
            let run = |more: &[&str]| pod.run_with(&[&[command, &program], named, more].concat(), b"x\n");
            let other = run(&["--backend", "docker"]);
            assert_eq!((other.code, other.stdout.as_str()), (Some(1), ""), "{}", other.stderr);
            let sentence = "--backend docker cannot be had: the manager at";
            assert!(other.stderr.contains(sentence) && other.stderr.contains("backend local"), "{}", other.stderr);
            let image = run(&["--backend", "docker", "--docker-image", "x"]);
            assert_eq!((image.code, image.stdout.as_str()), (Some(1), ""), "{}", image.stderr);
            let same = run(&["--backend", "local"]);
            assert_eq!((same.code, same.stdout.as_str()), (Some(0), "hello\n"), "{}", same.stderr);
        }
    }
}

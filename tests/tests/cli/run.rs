//! `pod run`: one command from a program to its result.

use std::{io::Read, process::Stdio, time::Duration};

use pod_tests::{Pod, processes_of, wait, wait_until_gone};

/// Waits until the file of that name is there, then goes on.
pub(crate) const GATE: &str = "until [ -e \"$1\" ]; do sleep 0.02; done\n";

#[test]
fn streams_both_outputs_and_returns_the_exit_code() {
    let pod = Pod::new();
    let program = pod.program("both", "echo \"out $1\"; echo \"err $1\" >&2; exit 3\n");
    let ran = pod.run(&["run", &program, "x y"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(3), "out x y\n", "err x y\n"));
    assert_eq!(processes_of(pod.data().to_str().unwrap()), [0_u32; 0], "nothing stays behind");
}

#[test]
fn a_signal_becomes_128_and_its_number() {
    let pod = Pod::new();
    let program = pod.program("killed", "kill -9 $$\n");
    assert_eq!(pod.run(&["run", &program]).code, Some(137));
}

#[test]
fn output_is_exact_to_the_byte() {
    let pod = Pod::new();
    let program = pod.program("bytes", "cat blob; cat blob blob >&2\n");
    let blob: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(pod.path("bytes/blob"), &blob).unwrap();
    let output = pod.command(&["run", &program]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == blob, "{} bytes arrived", output.stdout.len());
    assert!(output.stderr == [blob.clone(), blob].concat(), "{} bytes arrived", output.stderr.len());
}

#[test]
fn output_arrives_while_the_program_runs() {
    let pod = Pod::new();
    let program = pod.program("live", &format!("echo first\n{GATE}echo second\n"));
    let gate = pod.path("gate");
    let mut live = pod.spawn(&["run", &program, gate.to_str().unwrap()], &[]);
    assert_eq!(live.line(), "first");
    std::fs::write(gate, "").unwrap();
    let ran = live.finish();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "second\n"), "{}", ran.stderr);
}

#[test]
fn the_input_may_come_from_stdin() {
    let pod = Pod::new();
    let program = pod.program("echo", "printf '%s' \"$1\"; echo \"[$#]\"\n");
    for (stdin, expected) in [("a\n b\n", "a\n b\n[1]\n"), ("", "[1]\n")] {
        let ran = pod.run_with(&["run", &program, "-"], stdin.as_bytes());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), expected), "{}", ran.stderr);
    }
    assert_eq!(pod.run(&["run", &program]).stdout, "[0]\n", "no input is no argument");
}

#[test]
fn ctrl_c_leaves_no_process() {
    let pod = Pod::new();
    let program = pod.program("long", "setsid sleep 1000 &\nsleep 1000 &\necho up\nwait\n");
    let mut live = pod.spawn(&["run", &program], &[]);
    assert_eq!(live.line(), "up");
    assert!(processes_of(pod.path("").to_str().unwrap()).len() > 2, "the program and its children run");
    live.interrupt();
    let ran = live.finish();
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert_eq!(processes_of(pod.path("").to_str().unwrap()), [0_u32; 0]);
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_program() {
    let pod = Pod::new();
    let program = pod.program("deaf", "trap 'echo asked' TERM\necho up\nwhile :; do sleep 0.05; done\n");
    // With a grace time of an hour, only the second Ctrl-C can end it.
    let mut live = pod.spawn(&["run", &program], &[("POD_GRACE", "1h")]);
    assert_eq!(live.line(), "up");
    live.interrupt();
    assert_eq!(live.line(), "asked");
    live.interrupt();
    assert_eq!(live.finish().code, Some(130));
    assert_eq!(wait_until_gone(pod.path("").to_str().unwrap(), Duration::from_secs(20)), [0_u32; 0]);
    // What it printed is kept, and its end is told as it was.
    let server = pod.serve(&[]);
    let asked = |arguments: &[&str]| {
        let ran = pod.command(arguments).env("POD", server.url()).output().unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    assert_eq!(asked(&["logs", "1"]), "up\nasked\n");
    let explained = asked(&["explain", "1"]);
    assert!(!explained.contains("lost"), "{explained}");
    assert!(server.stop().success());
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let pod = Pod::new();
    let program = pod.program("endless", "while echo y; do :; done\n");
    let mut child = pod.command(&["run", &program]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 2];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"y\n");
    let status = wait(&mut child, Duration::from_secs(60)).expect("it ends");
    assert_eq!(status.code(), Some(141));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    assert_eq!(processes_of(pod.path("").to_str().unwrap()), [0_u32; 0]);
}

#[test]
fn output_that_cannot_be_written_ends_it_and_leaves_nothing() {
    let pod = Pod::new();
    let program = pod.program("endless", "while echo y; do :; done\n");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = pod.command(&["run", &program]).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let status = wait(&mut child, Duration::from_secs(60)).expect("it ends");
    assert_eq!(status.code(), Some(1));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("could not be written"), "{said}");
    assert_eq!(wait_until_gone(pod.path("").to_str().unwrap(), Duration::from_secs(20)), [0_u32; 0]);
}

#[test]
fn changed_content_is_a_new_revision_and_unchanged_content_is_not() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let program = pod.program("edited", "echo one\n");
    assert_eq!(pod.run(&["run", &program]).stdout, "one\n");
    assert_eq!(pod.run(&["run", &program]).stdout, "one\n");
    pod.program("edited", "echo two\n");
    assert_eq!(pod.run(&["run", &program]).stdout, "two\n");
    let listed = pod.run(&["activities", "-o", "json", "--server", server.url()]);
    let activities: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(activities[0]["revision"], 2, "{activities}");
}

#[test]
fn a_failed_installation_is_explained() {
    let pod = Pod::new();
    let program = pod.program("broken", "echo never\n");
    std::fs::write(pod.path("broken/install.sh"), "echo the compiler is missing >&2\nexit 3\n").unwrap();
    let ran = pod.run(&["run", &program]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("broken cannot be installed"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the compiler is missing"), "{}", ran.stderr);
    // A better one is taken.
    std::fs::write(pod.path("broken/install.sh"), "exit 0\n").unwrap();
    assert_eq!(pod.run(&["run", &program]).stdout, "never\n");
}

#[test]
fn a_directory_may_come_with_a_time_limit_retries_and_an_environment() {
    let pod = Pod::new();
    let program =
        pod.program("set", "echo \"$LEVEL/$KEY/$POD_ATTEMPT\"\n[ \"$POD_ATTEMPT\" = 2 ] && exec sleep 1000\nexit 5\n");
    let options = ["run", &program, "--timeout", "1s", "--retries", "1", "-e", "LEVEL=a=b", "--env", "KEY"];
    let ran = pod.command(&options).env("KEY", "our own ü").output().map(pod_tests::Ran::from).unwrap();
    assert_eq!(ran.stdout, "a=b/our own ü/1\na=b/our own ü/2\n", "{}", ran.stderr);
    assert!(ran.code != Some(0) && ran.stderr.contains("time limit"), "{:?}: {}", ran.code, ran.stderr);

    let lines = pod.run_with(&["map", &program, "-e", "LEVEL=1", "-e", "KEY=2"], b"x\n");
    assert_eq!((lines.code, lines.stdout.as_str()), (Some(1), "1/2/1\n"), "{}", lines.stderr);

    for (options, sentence) in [
        (&["-e", "POD_NO_SUCH"][..], "--env POD_NO_SUCH: it is not set here; give it as POD_NO_SUCH=VALUE"),
        (&["-e", "POD_MINE=1"], "POD_MINE is reserved"),
        (&["-e", "=1"], "is not a name of an environment variable"),
    ] {
        let ran = pod.run(&[&["run", &program][..], options].concat());
        assert!(ran.code == Some(1) && ran.stderr.contains(sentence), "{options:?}: {}", ran.stderr);
    }
    for (option, value) in [("--timeout", "soon"), ("--timeout", "0s"), ("--retries", "1001"), ("--retries", "-1")] {
        let ran = pod.run(&["run", &program, option, value]);
        assert!(
            ran.code.is_some_and(|code| code > 0) && ran.stderr.contains(option),
            "{option} {value}: {}",
            ran.stderr
        );
    }
    let ran = pod.run(&["run", "set", "--retries", "2"]);
    assert!(ran.stderr.contains("--retries is for a directory, and set is an activity"), "{}", ran.stderr);
}

//! How executions start and end by themselves.

use super::harness::{Harness, already_gone};
use crate::domain::{AttemptOutcome, Millis};

/// The code of `main.sh`.
pub async fn codes_are_told(rig: &Harness) {
    let request = rig.activity("#!/bin/sh\nexit \"$1\"").await;
    for code in [0, 1, 42, 255] {
        let mut run = request.clone();
        run.key.execution.0 = rig.number();
        run.input = Some(code.to_string().into());
        assert_eq!(rig.run(run).await.end, AttemptOutcome::Exited(code));
    }
}

/// A signal that nobody sent on behalf of POD.
pub async fn signals_are_told(rig: &Harness) {
    let request = rig.activity("#!/bin/sh\nkill -\"$1\" $$").await;
    for signal in [6, 9, 15] {
        let mut run = request.clone();
        run.key.execution.0 = rig.number();
        run.input = Some(signal.to_string().into());
        assert_eq!(rig.run(run).await.end, AttemptOutcome::Signalled(signal));
    }
}

/// One argument, none, an empty one, one with everything in it.
pub async fn the_input_is_the_argument(rig: &Harness) {
    let request = rig.activity("#!/bin/sh\nprintf '%s<%s>' \"$#\" \"$1\"").await;
    let almost = "y".repeat(128 * 1024 - 1);
    let cases = [None, Some(""), Some("a b"), Some("$HOME `x` 'q' \"d\" \\ \n\té*"), Some(almost.as_str())];
    for input in cases {
        let mut run = request.clone();
        run.key.execution.0 = rig.number();
        run.input = input.map(Into::into);
        let expected = format!("{}<{}>", i32::from(input.is_some()), input.unwrap_or(""));
        assert_eq!(rig.run(run).await.text(), expected);
    }
}

/// What no argument can hold.
pub async fn a_long_input_comes_as_a_file(rig: &Harness) {
    let mut request = rig.activity("#!/bin/sh\necho $#\nls \"$POD_INPUT_FILE\" >&2\ncat \"$POD_INPUT_FILE\"").await;
    for len in [128 * 1024, 1 << 20] {
        let input = "0123456789abcdef".repeat(len / 16);
        request.key.execution.0 = rig.number();
        request.input = Some(input.as_str().into());
        let outcome = rig.run(request.clone()).await;
        assert!(outcome.text().strip_prefix("0\n") == Some(&input), "the whole input, and no argument");
        let path = String::from_utf8(outcome.stderr).expect("a path");
        assert!(!std::fs::exists(path.trim()).expect("can be looked for"), "it is deleted with the execution");
    }
}

/// What is documented, what the activity adds, and nothing of the worker's own.
pub async fn the_environment_is_small(rig: &Harness) {
    let mut request = rig.activity("#!/bin/sh\nenv | cut -d= -f1 | sort | tr '\\n' ' '\necho \"$COLOUR/$POD_EXECUTION_ID/$POD_ATTEMPT/$POD_ACTIVITY/$POD_REVISION\"").await;
    request.env.insert("COLOUR".to_owned(), "red".to_owned());
    request.env.insert("POD_ATTEMPT".to_owned(), "not for activities to set".to_owned());
    let (execution, revision) = (request.key.execution, request.revision);
    let outcome = rig.run(request).await;
    let (names, values) = outcome.text().rsplit_once(' ').expect("names and values");
    assert_eq!(values, format!("red/{execution}/1/an-activity/{revision}\n"));
    let allowed = [
        "COLOUR",
        "HOME",
        "LANG",
        "PATH",
        "POD_ACTIVITY",
        "POD_ATTEMPT",
        "POD_EXECUTION_ID",
        "POD_RESULTS",
        "POD_REVISION",
        "POD_WORKER_MARK",
        "TMPDIR",
        // Made by the shell.
        "OLDPWD",
        "PWD",
        "SHLVL",
        "_",
    ];
    for name in names.split(' ') {
        assert!(allowed.contains(&name), "{name} is not documented; all are {names}");
    }
}

/// A program that reads gets the end at once.
pub async fn standard_input_is_empty(rig: &Harness) {
    let outcome = rig.run_main("#!/bin/sh\ncat; echo end").await;
    assert_eq!((outcome.text(), outcome.end.clone()), ("end\n", AttemptOutcome::Exited(0)));
}

/// What could not be started says why.
pub async fn a_missing_interpreter_is_named(rig: &Harness) {
    let outcome = rig.run_main("#!/no/such/interpreter\n").await;
    let AttemptOutcome::StartFailed(reason) = outcome.end else { panic!("not {:?}", outcome.end) };
    assert!(reason.contains("/no/such/interpreter"), "{reason}");
    assert_eq!(outcome.starts, 0);
    assert_eq!(rig.run_main("#!/bin/sh\n").await.end, AttemptOutcome::Exited(0), "the slot is fine");
}

/// The time of an execution is up; what it printed until then is there.
pub async fn a_time_limit_ends_it(rig: &Harness) {
    let mut request = rig.activity("#!/bin/sh\ntrap '' TERM\necho $$\nwhile :; do sleep 0.05; done").await;
    request.timeout = Some(Millis(400));
    request.grace = Millis(100);
    let outcome = rig.run(request.clone()).await;
    assert_eq!(outcome.end, AttemptOutcome::TimedOut);
    already_gone(&[outcome.text().trim().parse().expect("a process id")]);
    // One that obeys ends the same way, and one in time is not touched.
    let mut request = rig.activity("#!/bin/sh\ntrap 'echo cleaned; exit 3' TERM\nwhile :; do sleep 0.05; done").await;
    request.timeout = Some(Millis(400));
    let outcome = rig.run(request).await;
    assert_eq!((outcome.text(), &outcome.end), ("cleaned\n", &AttemptOutcome::TimedOut));
    let mut request = rig.activity("#!/bin/sh\nexit 5").await;
    request.timeout = Some(Millis(60_000));
    assert_eq!(rig.run(request).await.end, AttemptOutcome::Exited(5));
}

/// Many executions, two at a time, one after the other.
pub async fn slots_are_used_again(rig: &Harness) {
    let request = rig.activity("#!/bin/sh\necho \"hello $1\"").await;
    let several = |from: u64| {
        let request = request.clone();
        async move {
            for number in from..from + 100 {
                let mut run = request.clone();
                run.key.execution.0 = 1_000_000 + number;
                run.input = Some(number.to_string().into());
                let outcome = rig.run(run).await;
                assert_eq!(
                    (outcome.text(), &outcome.end),
                    (format!("hello {number}\n").as_str(), &AttemptOutcome::Exited(0))
                );
            }
        }
    };
    futures::future::join(several(0), several(1000)).await;
}

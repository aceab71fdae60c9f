//! Installations: the activity contract.

use std::fs;

use super::harness::{Harness, already_gone, gone, in_time};
use crate::{
    domain::{AttemptOutcome, Millis, RevisionNo, Stream},
    executor::InstallError,
};

const GOOD: &str = "printf '#!/bin/sh\\necho \"hello $1\"\\n' > main.sh";

async fn refusal(rig: &Harness, script: impl Into<Vec<u8>>) -> InstallError {
    let request = rig.installation(script);
    let key = (request.activity, request.revision);
    let error = rig.install(request.clone()).await.expect_err("this installation must fail");
    assert!(!rig.executor().installed().await.expect("readable").contains(&key), "a failed one is not installed");
    let mut run = rig.request(request.activity);
    run.revision = request.revision;
    assert!(rig.executor().start(run).await.is_err(), "a failed one does not start");
    // Nothing stays of it: the directory is empty when the next try begins.
    let mut again = request;
    again.payload = crate::domain::Payload::Script(format!("[ -z \"$(ls -A)\" ] && {GOOD}").into());
    rig.install(again).await.expect("what failed left nothing behind");
    error
}

/// Installed, found again by the next executor of the directory, removed; and removed twice is fine.
pub async fn an_installation_lasts_until_it_is_removed(rig: &Harness) {
    let request = rig.installation(GOOD);
    let key = (request.activity, request.revision);
    rig.install(request).await.expect("good");
    assert_eq!(rig.executor().installed().await.expect("readable"), [key]);
    rig.reopen().await;
    assert_eq!(rig.executor().installed().await.expect("readable"), [key]);
    let mut run = rig.request(key.0);
    run.input = Some("again".into());
    assert_eq!(rig.run(run).await.text(), "hello again\n");
    for _ in 0..2 {
        rig.executor().remove(key.0, key.1).await.expect("removable");
        assert_eq!(rig.executor().installed().await.expect("readable"), []);
    }
    assert!(rig.executor().start(rig.request(key.0)).await.is_err());
    rig.reopen().await;
    assert_eq!(rig.executor().installed().await.expect("readable"), []);
}

/// What is not installed does not start, and says so.
pub async fn an_unknown_installation_does_not_start(rig: &Harness) {
    let request = rig.activity("#!/bin/sh").await;
    let mut other = request.clone();
    other.revision = RevisionNo(2);
    let error = rig.executor().start(other).await.expect_err("not installed");
    assert!(error.message.contains("not installed"), "{error}");
    assert_eq!(rig.run(request).await.end, AttemptOutcome::Exited(0));
}

/// The second installation of a revision begins with an empty directory.
pub async fn a_second_installation_replaces_the_first(rig: &Harness) {
    let mut request = rig.installation(format!("touch first; {GOOD}"));
    rig.install(request.clone()).await.expect("good");
    request.payload =
        crate::domain::Payload::Script("[ -e first ] && exit 7; printf '#!/bin/sh\\necho second\\n' > main.sh".into());
    rig.install(request.clone()).await.expect("the directory is empty");
    assert_eq!(rig.run(rig.request(request.activity)).await.text(), "second\n");
}

/// Both streams of the script arrive while it runs.
pub async fn its_output_streams(rig: &Harness) {
    let go = rig.path("go");
    let script =
        format!("echo one; echo two >&2; while [ ! -e '{}' ]; do sleep 0.01; done; echo three; {GOOD}", go.display());
    let (sink, mut output) = tokio::sync::mpsc::channel(1);
    let executor = rig.executor();
    let request = rig.installation(script);
    let work = tokio::spawn(async move { executor.install(request, sink).await });
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while stdout != b"one\n" || stderr != b"two\n" {
        match in_time("output", output.recv()).await.expect("it runs") {
            (Stream::Stdout, bytes) => stdout.extend_from_slice(&bytes),
            (Stream::Stderr, bytes) => stderr.extend_from_slice(&bytes),
        }
    }
    fs::write(go, "").expect("writable");
    assert_eq!(in_time("output", output.recv()).await, Some((Stream::Stdout, "three\n".into())));
    work.await.expect("no panic").expect("good");
}

/// The reason names the exit code and holds the end of the output.
pub async fn a_failing_script_tells_its_code_and_its_last_lines(rig: &Harness) {
    let error = refusal(rig, "seq 1 1000; echo 'cc: not found' >&2; touch litter; exit 42").await;
    assert!(error.permanent);
    assert!(error.message.contains("exit code 42"), "{error}");
    assert!(error.message.contains("cc: not found") && error.message.contains("\n1000"), "{error}");
    assert!(!error.message.contains("\n900\n"), "only the end of the output: {error}");
    let error = refusal(rig, "kill -SEGV $$").await;
    assert!(error.message.contains("signal 11"), "{error}");
}

/// Exit code 0 is not enough.
pub async fn a_script_without_main_sh_fails(rig: &Harness) {
    for script in ["true", "", "echo 'echo hi' > Main.sh"] {
        let error = refusal(rig, script).await;
        assert!(error.permanent && error.message.contains("no main.sh"), "{error}");
    }
}

/// A directory, a link out of the activity, a link to nothing, a pipe.
pub async fn a_main_sh_that_is_no_file_fails(rig: &Harness) {
    for script in ["mkdir main.sh", "ln -s /bin/echo main.sh", "ln -s nowhere main.sh", "mkfifo main.sh"] {
        let error = refusal(rig, script).await;
        assert!(error.permanent && error.message.contains("not a regular file"), "{script}: {error}");
    }
}

/// Line ends of another system, in the script and in a main.sh that is text.
pub async fn carriage_returns_do_not_matter(rig: &Harness) {
    let script = "if true; then\r\n  printf '#!/bin/sh\\r\\necho \"[$1]\"\\r\\n' > main.sh\r\nfi\r\n\
                  printf 'printf 1234\\r\\n' > part\r\nsed 's/1234/5678/' part >> main.sh\r\n";
    let request = rig.installation(script);
    rig.install(request.clone()).await.expect("good");
    let mut run = rig.request(request.activity);
    run.input = Some("x".into());
    let outcome = rig.run(run).await;
    assert_eq!((outcome.text(), &outcome.end), ("[x]\n5678", &AttemptOutcome::Exited(0)));
}

/// As it has always been.
pub async fn a_text_without_a_shebang_runs_with_sh(rig: &Harness) {
    let mut request = rig.activity("echo \"$1 from $0\"").await;
    request.input = Some("hello there".into());
    assert_eq!(rig.run(request).await.text(), "hello there from ./main.sh\n");
}

/// A program that is no script is run as it is, also when it holds what looks like line ends.
pub async fn a_binary_is_left_alone(rig: &Harness) {
    // The one program that every worker has.
    let script = "cp \"$(command -v bash)\" main.sh; printf '\\r\\n' >> main.sh; cp main.sh copy; chmod -x main.sh\n\
                  echo 'cat copy' > show-copy; echo 'cat main.sh' > show-main";
    let request = rig.installation(script);
    rig.install(request.clone()).await.expect("good");
    let mut run = rig.request(request.activity);
    run.input = Some("show-copy".into());
    let outcome = rig.run(run.clone()).await;
    assert_eq!(outcome.end, AttemptOutcome::Exited(0));
    run.key.execution.0 = rig.number();
    run.input = Some("show-main".into());
    assert_eq!(rig.run(run).await.stdout, outcome.stdout, "not a byte of it was changed");
    assert!(outcome.stdout.ends_with(b"\r\n"));
}

/// A script that never ends is ended, with what it started.
pub async fn an_installation_has_a_time_limit(rig: &Harness) {
    let note = rig.path("pids");
    let script = format!(
        "trap '' TERM; for i in 1 2; do setsid sh -c 'trap \"\" TERM; echo $$ >> {0}; exec sleep 1000' & done\n\
         echo $$ >> {0}; echo waiting; while :; do sleep 0.1; done",
        note.display()
    );
    let mut request = rig.installation(script);
    request.timeout = Millis(700);
    let error = rig.install(request).await.expect_err("it never ends");
    already_gone(&rig.pids("pids", 3).await);
    assert!(error.permanent && error.message.contains("time limit"), "{error}");
    assert!(error.message.contains("waiting"), "{error}");
}

/// A script that ends leaves no process behind, and none that it leaves can hold it up.
pub async fn background_processes_of_a_script_are_ended(rig: &Harness) {
    let note = rig.path("pids");
    let script = format!(
        "setsid sh -c 'echo $$ > {0}; exec sleep 1000' & while [ ! -s {0} ]; do sleep 0.01; done; {GOOD}",
        note.display()
    );
    rig.install(rig.installation(script)).await.expect("good");
    already_gone(&rig.pids("pids", 1).await);
}

/// Whoever does not wait for an installation does not want it.
pub async fn a_dropped_installation_ends(rig: &Harness) {
    let note = rig.path("pids");
    let script = format!("trap '' TERM; touch litter; echo $$ > {}; while :; do sleep 0.1; done", note.display());
    let request = rig.installation(script);
    let (sink, _output) = tokio::sync::mpsc::channel(1);
    let executor = rig.executor();
    let install = executor.install(request.clone(), sink);
    let pids = tokio::select! {
        outcome = install => panic!("it never ends by itself: {outcome:?}"),
        pids = rig.pids("pids", 1) => pids,
    };
    gone(&pids).await;
    let mut again = request;
    again.payload = crate::domain::Payload::Script(format!("[ -z \"$(ls -A)\" ] && {GOOD}").into());
    rig.install(again).await.expect("nothing is left of it");
}

/// What the activity sets is there.
pub async fn the_environment_reaches_the_script(rig: &Harness) {
    let mut request = rig.installation(format!("echo \"colour=$COLOUR\"; {GOOD}"));
    request.env.insert("COLOUR".to_owned(), "dark blue".to_owned());
    assert_eq!(rig.install(request).await.expect("good"), b"colour=dark blue\n");
}

/// The output of a script may be thrown away, however much it is.
pub async fn nobody_needs_to_read_its_output(rig: &Harness) {
    let (sink, output) = tokio::sync::mpsc::channel(1);
    drop(output);
    let request = rig.installation(format!("head -c 3000000 /dev/zero; {GOOD}"));
    in_time("the installation", rig.executor().install(request, sink)).await.expect("good");
}

//! The process executor when a program is told to end in an awkward moment.
#![cfg(all(feature = "local", target_os = "linux"))]

mod process_rig;

use pod_core::{
    domain::{AttemptOutcome, Millis},
    executor::{ExecutionHandle, Executor, RunEvent, StartRequest, StopMode},
};
use process_rig::{TIMEOUT, finish, install, open, request};
use tempfile::TempDir;
use tokio::time::timeout;

/// Blocks TERM, waits until it has come, starts a program, and ends by the signal: what a shell does that is told to end
/// in the moment in which it forks. Perl is there wherever Debian is.
const FORKS_WHILE_TOLD: &str = r#"#!/bin/sh
exec perl -MPOSIX -e '
    my $term = POSIX::SigSet->new(SIGTERM);
    sigprocmask(SIG_BLOCK, $term);
    $| = 1;
    print "ready\n";
    my $pending = POSIX::SigSet->new;
    do { select(undef, undef, undef, 0.01); sigpending($pending) } until $pending->ismember(SIGTERM);
    my $child = fork;
    sigprocmask(SIG_UNBLOCK, $term);
    exec "sleep", "1000" unless $child;
    die "it was told to end";
'"#;

async fn first_line(run: &mut dyn ExecutionHandle) {
    loop {
        match timeout(TIMEOUT, run.next()).await.expect("it does not hang") {
            Some(RunEvent::Output { .. }) => return,
            Some(RunEvent::Started { .. }) => {}
            other => panic!("{other:?} before its line"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forked_while_its_parent_is_told_to_end_is_told_too() {
    let dir = TempDir::new().expect("a directory");
    let executor = open(dir.path()).await;
    install(&executor, 1, FORKS_WHILE_TOLD).await;
    // Longer than this test has patience, for a stop and for the end of the time limit.
    let long = Millis::from_secs(3600);
    let mut run = executor.start(StartRequest { grace: long, ..request(1, 1) }).await.expect("it is installed");
    first_line(&mut *run).await;
    run.stop(StopMode::Terminate);
    assert_eq!(finish(&mut *run).await.1, AttemptOutcome::Terminated);

    let timeout = Some(Millis(500));
    let limited = StartRequest { grace: long, timeout, ..request(1, 2) };
    let mut run = executor.start(limited).await.expect("it is installed");
    assert_eq!(finish(&mut *run).await.1, AttemptOutcome::TimedOut);
    executor.shutdown().await;
}

/// Who cleans up is told once, and what it does that with is not told at all.
#[tokio::test(flavor = "multi_thread")]
async fn who_cleans_up_after_its_parent_has_ended_is_left_alone() {
    const CLEANS_UP: &str = "#!/bin/sh
        (exec 2>/dev/null; trap 'sleep 0.3 || echo hurt; sleep 0.3 || echo hurt; echo cleaned up; exit' TERM
         echo ready; while :; do sleep 0.02; done) &
        wait";
    let dir = TempDir::new().expect("a directory");
    let executor = open(dir.path()).await;
    install(&executor, 1, CLEANS_UP).await;
    let mut run = executor.start(request(1, 1)).await.expect("it is installed");
    first_line(&mut *run).await;
    run.stop(StopMode::Terminate);
    let (text, end) = finish(&mut *run).await;
    assert_eq!((text.as_str(), end), ("cleaned up\n", AttemptOutcome::Terminated));
    executor.shutdown().await;
}

//! Stopping executions from outside.

use super::harness::{Harness, already_gone, finish, gone, line};
use crate::{
    domain::{AttemptOutcome, Millis},
    executor::{RunEvent, StopMode},
};

const STUBBORN: &str = "#!/bin/sh\ntrap '' TERM\necho $$\nwhile :; do sleep 0.05; done";

fn pid(line: &str) -> u32 {
    line.trim().parse().expect("a process id")
}

/// TERM comes first, and what the program does and prints then still counts.
pub async fn terminate_lets_it_clean_up(rig: &Harness) {
    let request =
        rig.activity("#!/bin/sh\ntrap 'echo cleaned up; exit 0' TERM\necho $$\nwhile :; do sleep 0.05; done").await;
    let mut run = rig.start(request).await;
    let pid = pid(&line(&mut *run).await);
    run.stop(StopMode::Terminate);
    let outcome = finish(&mut *run).await;
    assert_eq!((outcome.text(), &outcome.end), ("cleaned up\n", &AttemptOutcome::Terminated));
    already_gone(&[pid]);
}

/// KILL comes after the grace time.
pub async fn terminate_kills_what_ignores_it(rig: &Harness) {
    let mut request = rig.activity(STUBBORN).await;
    request.grace = Millis(200);
    let mut run = rig.start(request).await;
    let pid = pid(&line(&mut *run).await);
    run.stop(StopMode::Terminate);
    run.stop(StopMode::Terminate);
    assert_eq!(finish(&mut *run).await.end, AttemptOutcome::Terminated);
    already_gone(&[pid]);
}

/// Who does not want to wait for the grace time need not. (It is a minute here, in which the suite loses patience.)
pub async fn a_harder_stop_shortens_the_grace(rig: &Harness) {
    let mut request = rig.activity(STUBBORN).await;
    request.grace = Millis::from_secs(3600);
    let mut run = rig.start(request).await;
    let pid = pid(&line(&mut *run).await);
    run.stop(StopMode::Terminate);
    run.stop(StopMode::Kill);
    assert_eq!(finish(&mut *run).await.end, AttemptOutcome::Terminated);
    already_gone(&[pid]);
}

/// Before anything was heard of it, or as soon as something was. The grace time is longer than the patience of this
/// suite, so that a signal which gets lost is missed.
pub async fn a_stop_may_come_at_once(rig: &Harness) {
    let mut request = rig.activity("#!/bin/sh\nsleep 1000").await;
    request.grace = Millis::from_secs(3600);
    for (number, mode) in [StopMode::Terminate, StopMode::Kill].into_iter().cycle().take(12).enumerate() {
        request.key.execution.0 = rig.number();
        let mut run = rig.start(request.clone()).await;
        if number >= 6 {
            assert!(matches!(run.next().await, Some(RunEvent::Started { .. })));
        }
        run.stop(mode);
        assert_eq!(finish(&mut *run).await.end, AttemptOutcome::Terminated);
    }
}

/// Output that nobody takes holds up neither the order to stop nor the time limit.
pub async fn a_stop_reaches_a_flood_that_nobody_reads(rig: &Harness) {
    let mut request = rig.activity("#!/bin/sh\necho $$\nexec yes").await;
    let mut run = rig.start(request.clone()).await;
    let first = line(&mut *run).await;
    run.stop(StopMode::Terminate);
    gone(&[pid(first.lines().next().expect("a line"))]).await;
    assert_eq!(finish(&mut *run).await.end, AttemptOutcome::Terminated);

    request.timeout = Some(Millis(500));
    request.key.execution.0 = rig.number();
    let mut run = rig.start(request).await;
    let first = line(&mut *run).await;
    gone(&[pid(first.lines().next().expect("a line"))]).await;
    assert_eq!(finish(&mut *run).await.end, AttemptOutcome::TimedOut);
}

/// Nobody wants it any more; the slot is free again when it is gone.
pub async fn a_dropped_run_is_killed(rig: &Harness) {
    let request = rig.activity(STUBBORN).await;
    let mut pids = Vec::new();
    for _ in 0..4 {
        let mut next = request.clone();
        next.key.execution.0 = rig.number();
        let mut run = rig.start(next).await;
        pids.push(pid(&line(&mut *run).await));
        drop(run);
    }
    gone(&pids).await;
}

/// Everything is gone when it returns, whether anybody listens or not.
pub async fn shutdown_leaves_nothing(rig: &Harness) {
    let request = rig.activity(STUBBORN).await;
    let mut runs = Vec::new();
    let mut pids = Vec::new();
    for _ in 0..2 {
        let mut next = request.clone();
        next.key.execution.0 = rig.number();
        let mut run = rig.start(next).await;
        pids.push(pid(&line(&mut *run).await));
        runs.push(run);
    }
    rig.executor().shutdown().await;
    already_gone(&pids);
    for mut run in runs {
        let end = finish(&mut *run).await.end;
        assert!(matches!(end, AttemptOutcome::Lost | AttemptOutcome::Terminated), "{end:?}");
    }
    assert!(rig.executor().start(request).await.is_err(), "nothing starts after it");
}

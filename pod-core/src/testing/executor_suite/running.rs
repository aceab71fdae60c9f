//! What an execution prints, and how it ends.

use std::time::Duration;

use super::{
    driver::TestProgram::{Count, Exit, Greet, Wait},
    harness::Harness,
    watching::{finish, in_time, line},
};
use crate::{
    domain::{AttemptOutcome, Millis},
    executor::{RunEvent, StopMode},
};

/// So many lines are more than any buffer on the way holds.
const LINES: usize = 50_000;

fn counted() -> String {
    (0..LINES).map(|number| format!("{number}\n")).collect()
}

/// The start is told once, the end last, and after it comes nothing.
pub async fn it_starts_once_prints_and_ends(rig: &Harness) {
    let activity = rig.activity(Greet).await;
    let outcome = rig.run(activity, "you, there").await;
    assert_eq!((outcome.text(), outcome.starts, outcome.damaged), ("hello you, there\n", 1, false));
    assert_eq!(outcome.end, AttemptOutcome::Exited(0));
}

/// Whatever they are.
pub async fn codes_are_told(rig: &Harness) {
    let activity = rig.activity(Exit).await;
    for code in [0, 1, 3, 77] {
        assert_eq!(rig.run(activity, &code.to_string()).await.end, AttemptOutcome::Exited(code));
    }
}

/// However much it is.
pub async fn output_is_whole_and_in_order(rig: &Harness) {
    let activity = rig.activity(Count).await;
    let outcome = rig.run(activity, &LINES.to_string()).await;
    assert_eq!(outcome.end, AttemptOutcome::Exited(0));
    assert!(outcome.text() == counted(), "{} bytes of {}", outcome.stdout.len(), counted().len());
}

/// `next` is dropped and called again all the time, by a reader that is slow.
pub async fn dropped_calls_lose_nothing(rig: &Harness) {
    let activity = rig.activity(Count).await;
    let mut run = rig.start(rig.request(activity, &LINES.to_string())).await;
    let mut stdout = Vec::new();
    let end = in_time("an end", async {
        loop {
            match tokio::time::timeout(Duration::from_micros(50), run.next()).await {
                Err(_) => tokio::task::yield_now().await,
                Ok(Some(RunEvent::Output { bytes, .. })) => stdout.extend_from_slice(&bytes),
                Ok(Some(RunEvent::Ended { end, .. })) => return end,
                Ok(Some(_)) => {}
                Ok(None) => panic!("an end comes before there is nothing more"),
            }
        }
    });
    assert_eq!(end.await, AttemptOutcome::Exited(0));
    assert!(stdout == counted().as_bytes(), "{} bytes of {}", stdout.len(), counted().len());
}

/// Beside each other.
pub async fn as_many_run_at_a_time_as_there_are_slots(rig: &Harness) {
    let activity = rig.activity(Wait).await;
    let mut runs = [rig.start(rig.request(activity, "")).await, rig.start(rig.request(activity, "")).await];
    for run in &mut runs {
        assert_eq!(line(&mut **run).await, "waiting\n");
    }
    for run in &mut runs {
        run.stop(StopMode::Kill);
        assert_eq!(finish(&mut **run).await.end, AttemptOutcome::Terminated);
    }
}

/// One after the other.
pub async fn slots_are_used_again(rig: &Harness) {
    let activity = rig.activity(Greet).await;
    for number in 0..20 {
        let runs = ["a", "b"].map(|name| format!("{number}{name}"));
        let observed = [rig.observe(activity, &runs[0]).await, rig.observe(activity, &runs[1]).await];
        for (run, name) in observed.into_iter().zip(runs) {
            assert_eq!(run.outcome().await.text(), format!("hello {name}\n"));
        }
    }
}

/// What it printed before stays.
pub async fn a_time_limit_ends_it(rig: &Harness) {
    let activity = rig.activity(Wait).await;
    let mut request = rig.request(activity, "");
    (request.timeout, request.grace) = (Some(Millis(300)), Millis(50));
    let outcome = finish(&mut *rig.start(request).await).await;
    assert_eq!((outcome.end, outcome.starts), (AttemptOutcome::TimedOut, 1));
}

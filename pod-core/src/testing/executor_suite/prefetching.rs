//! Executions that are started while all slots are busy.

use std::collections::VecDeque;

use super::{
    driver::TestProgram::{Greet, Wait},
    harness::Harness,
    observed::{ObservedRun, Wish},
};
use crate::{
    domain::AttemptOutcome::{Exited, Recalled, Terminated},
    executor::StopMode,
};

async fn kill(run: ObservedRun) {
    assert_eq!(run.kill().await, (1, Terminated));
}

/// Both slots are busy with what goes on.
async fn fill(rig: &Harness) -> [ObservedRun; 2] {
    assert!(rig.executor().prefetch_limit() >= 2, "the executor takes two ahead");
    let activity = rig.activity(Wait).await;
    let mut runs = [rig.observe(activity, "").await, rig.observe(activity, "").await];
    for run in &mut runs {
        run.begins().await;
    }
    runs
}

/// What the suite is told of the executor is so.
pub async fn nothing_is_taken_ahead(rig: &Harness) {
    assert_eq!(rig.executor().prefetch_limit(), 0, "give the suite the word prefetch");
}

/// Nobody has to be asked for it.
pub async fn who_waits_begins_when_a_slot_is_free(rig: &Harness) {
    let greet = rig.activity(Greet).await;
    let [first, second] = fill(rig).await;
    let (third, fourth) = (rig.observe(greet, "3").await, rig.observe(greet, "4").await);
    kill(first).await;
    for (run, text) in [(third, "hello 3\n"), (fourth, "hello 4\n")] {
        let outcome = run.outcome().await;
        assert_eq!((outcome.text(), outcome.starts, &outcome.end), (text, 1, &Exited(0)));
    }
    kill(second).await;
}

/// What has not begun comes back; what has goes on.
pub async fn what_waits_can_be_recalled(rig: &Harness) {
    let greet = rig.activity(Greet).await;
    let [first, second] = fill(rig).await;
    let waiting = [rig.observe(greet, "3").await, rig.observe(greet, "4").await];
    first.ask(Wish::Recall);
    for run in waiting {
        run.ask(Wish::Recall);
        let outcome = run.outcome().await;
        assert_eq!((outcome.starts, outcome.end), (0, Recalled));
    }
    for run in [first, second] {
        kill(run).await;
    }
}

/// It does not begin then.
pub async fn what_waits_can_be_stopped(rig: &Harness) {
    let greet = rig.activity(Greet).await;
    let [first, second] = fill(rig).await;
    for mode in [StopMode::Terminate, StopMode::Kill] {
        let run = rig.observe(greet, "3").await;
        run.ask(Wish::Stop(mode));
        let outcome = run.outcome().await;
        assert_eq!((outcome.starts, outcome.end), (0, Terminated));
    }
    for run in [first, second] {
        kill(run).await;
    }
}

/// However closely one follows the other.
pub async fn many_that_wait_run_once_each(rig: &Harness) {
    let greet = rig.activity(Greet).await;
    let mut running = VecDeque::new();
    for number in 0..200 {
        if running.len() == 4 {
            check(running.pop_front().expect("one is there")).await;
        }
        running.push_back((number, rig.observe(greet, &number.to_string()).await));
    }
    for one in running {
        check(one).await;
    }
}

async fn check((number, run): (u32, ObservedRun)) {
    let outcome = run.outcome().await;
    assert_eq!((outcome.text(), outcome.starts), (format!("hello {number}\n").as_str(), 1));
}

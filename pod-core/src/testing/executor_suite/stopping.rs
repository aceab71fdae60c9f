//! Stopping executions from outside.

use super::{
    driver::TestProgram::{Greet, Wait},
    harness::Harness,
    watching::{finish, line},
};
use crate::{
    domain::AttemptOutcome::{Exited, Terminated},
    executor::StopMode,
};

/// Long before its grace time is over.
pub async fn a_program_that_is_asked_ends(rig: &Harness) {
    let activity = rig.activity(Wait).await;
    let mut run = rig.start(rig.request(activity, "")).await;
    line(&mut *run).await;
    run.stop(StopMode::Terminate);
    assert_eq!(finish(&mut *run).await.end, Terminated);
}

/// Also one that was asked before.
pub async fn a_harder_stop_ends_it(rig: &Harness) {
    let activity = rig.activity(Wait).await;
    for modes in [&[StopMode::Kill][..], &[StopMode::Terminate, StopMode::Kill, StopMode::Kill]] {
        let mut run = rig.start(rig.request(activity, "")).await;
        line(&mut *run).await;
        modes.iter().for_each(|mode| run.stop(*mode));
        assert_eq!(finish(&mut *run).await.end, Terminated);
    }
}

/// Before it has said anything.
pub async fn a_stop_may_come_at_once(rig: &Harness) {
    let activity = rig.activity(Wait).await;
    for mode in [StopMode::Terminate, StopMode::Kill] {
        let mut run = rig.start(rig.request(activity, "")).await;
        run.stop(mode);
        assert_eq!(finish(&mut *run).await.end, Terminated);
    }
}

/// Nobody wants it any more, and it ends.
pub async fn a_dropped_run_gives_its_slot_back(rig: &Harness) {
    let activity = rig.activity(Wait).await;
    for _ in 0..3 {
        // Those that were dropped may have their slots still: who waits for one is listened to together with who runs.
        let mut runs = [rig.observe(activity, "").await, rig.observe(activity, "").await];
        for run in &mut runs {
            run.begins().await;
        }
        for run in runs {
            run.drop().await;
        }
    }
    let activity = rig.activity(Greet).await;
    assert_eq!(rig.run(activity, "you").await.end, Exited(0));
}

/// Its end stays what it was.
pub async fn one_that_has_ended_may_be_stopped(rig: &Harness) {
    let activity = rig.activity(Greet).await;
    let mut run = rig.start(rig.request(activity, "you")).await;
    assert_eq!(finish(&mut *run).await.end, Exited(0));
    run.stop(StopMode::Terminate);
    run.stop(StopMode::Kill);
    assert!(run.next().await.is_none());
    assert_eq!(rig.run(activity, "you").await.end, Exited(0));
}

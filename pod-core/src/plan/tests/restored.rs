//! A store that was restored from a copy: workers of before it are given up, and none is let in.

use super::*;
use crate::{
    domain::{WorkerReason, WorkerStatus},
    link::Rejection,
    plan::tests::harness::running,
};

/// A manager begins on a store of another history.
fn restored(rig: &mut Harness) {
    rig.state.ids.worker = 7 * WorkerId::PER_HISTORY;
    rig.state.just_loaded = true;
    rig.effects.clear();
}

fn refusals(rig: &Harness) -> Vec<&str> {
    let refused = rig.effects.iter().filter_map(|effect| match effect {
        Effect::Refuse(_, Rejection::Permanent(said)) => Some(&**said),
        _ => None,
    });
    refused.collect()
}

#[test]
fn what_the_workers_of_before_ran_is_lost_and_runs_again_in_one_that_nobody_knows() {
    let (mut rig, id) = running(ActivitySettings::default(), 1);
    restored(&mut rig);
    rig.pass(10);
    let given_up = &rig.state.workers[&WorkerId(1)].worker;
    assert_eq!((given_up.status, &given_up.reason), (WorkerStatus::Lost, &Some(WorkerReason::Restored)));
    assert!(rig.effects.iter().any(|effect| matches!(effect, Effect::Destroy(WorkerId(1)))), "{:?}", rig.effects);
    rig.step(Input::Destroyed { worker: WorkerId(1), result: Ok(()) });
    assert_eq!((rig.stored[&id].status, rig.stored[&id].lost_attempts), (ExecutionStatus::Waiting, 1));
    rig.pass(1000);
    let new = rig.state.workers.keys().copied().find(|worker| *worker != WorkerId(1));
    assert_eq!(new.map(WorkerId::history), Some(7));
}

/// Also one that says hello before anything was planned, and one that the copy does not know.
#[test]
fn who_is_of_before_is_refused_for_good() {
    let (mut rig, _) = running(ActivitySettings::default(), 1);
    restored(&mut rig);
    rig.connect(1, 1);
    rig.connect(2, 1);
    let refusals = refusals(&rig);
    assert_eq!(refusals.len(), 2, "{:?}", rig.effects);
    assert!(refusals.iter().all(|said| said.contains("before the store was restored")), "{refusals:?}");
    assert!(!rig.effects.iter().any(|effect| matches!(effect, Effect::Welcome(_))), "{:?}", rig.effects);
}

#[test]
fn workers_of_this_history_are_kept_by_the_next_manager() {
    let (mut rig, id) = running(ActivitySettings::default(), 1);
    rig.state.just_loaded = true;
    rig.pass(10);
    assert_eq!(rig.stored[&id].status, ExecutionStatus::Running);
    assert_eq!(rig.state.workers[&WorkerId(1)].worker.status, WorkerStatus::Working);
}

//! Workers that leave in an orderly way: what they ran is no loss.

use super::*;
use crate::{
    domain::{OnLost, Outcome, WorkerStatus},
    plan::tests::harness::running,
};

fn leaves(rig: &mut Harness) {
    rig.said(1, FromWorker::Leaving { reason: "its machine is switched off".into() });
}

fn status(rig: &Harness, worker: u64) -> WorkerStatus {
    rig.state.workers[&WorkerId(worker)].worker.status
}

#[test]
fn what_a_leaving_worker_ran_waits_again_without_a_loss_however_often() {
    let mut rig = Harness::new(ActivitySettings::default(), 1);
    let id = rig.submit();
    for worker in 1..=4 {
        rig.connect(worker, 1);
        rig.install_ends(worker, InstallOutcome::Installed);
        let attempt = rig.stored[&id].attempt;
        let key = AttemptKey { execution: id, attempt };
        rig.said(worker, FromWorker::Running { key, at: rig.now });
        rig.said(worker, FromWorker::Leaving { reason: "it was asked to".into() });
        assert_eq!(status(&rig, worker), WorkerStatus::Draining);
        rig.ends_attempt(worker, key, AttemptOutcome::WorkerLeft);
        let waits = &rig.stored[&id];
        assert_eq!((waits.status, waits.lost_attempts, waits.failures), (ExecutionStatus::Waiting, 0, 0));
        rig.said(worker, FromWorker::Goodbye { reason: "it was asked to".into() });
        rig.step(Input::Destroyed { worker: WorkerId(worker), result: Ok(()) });
        assert_eq!(status(&rig, worker), WorkerStatus::Terminated);
    }
    assert_eq!(rig.stored[&id].attempt.0, 4);
}

#[test]
fn what_must_not_run_again_and_has_begun_fails_because_its_worker_left() {
    let once = ActivitySettings { on_lost: OnLost::Fail, ..ActivitySettings::default() };
    let (mut rig, id) = running(once, 1);
    leaves(&mut rig);
    assert_eq!(rig.stored[&id].status, ExecutionStatus::Running, "it is waited for");
    rig.ends(1, id, AttemptOutcome::WorkerLeft);
    let ended = &rig.stored[&id];
    assert!(matches!(ended.outcome, Some(Outcome::WorkerLeft { .. })), "{ended:?}");
    assert_eq!((ended.status, ended.lost_attempts), (ExecutionStatus::Failed, 0));
}

#[test]
fn what_must_not_run_again_and_has_not_begun_runs_elsewhere() {
    let once = ActivitySettings { on_lost: OnLost::Fail, ..ActivitySettings::default() };
    let mut rig = Harness::new(once, 1);
    let id = rig.submit();
    rig.connect(1, 1);
    rig.install_ends(1, InstallOutcome::Installed);
    leaves(&mut rig);
    rig.said(1, FromWorker::Recalled { key: first_attempt(id) });
    let waits = &rig.stored[&id];
    assert_eq!((waits.status, waits.attempt.0, waits.lost_attempts), (ExecutionStatus::Waiting, 0, 0));
}

#[test]
fn what_ends_by_itself_in_a_leaving_worker_has_ended() {
    let (mut rig, id) = running(ActivitySettings::default(), 1);
    leaves(&mut rig);
    let other = rig.submit();
    assert_eq!(rig.stored[&other].status, ExecutionStatus::Waiting, "it is given nothing new");
    rig.ends(1, id, AttemptOutcome::Exited(0));
    assert_eq!(rig.stored[&id].status, ExecutionStatus::Finished);
}

#[test]
fn a_goodbye_is_no_loss_also_where_an_end_was_not_delivered() {
    let (mut rig, id) = running(ActivitySettings::default(), 1);
    rig.said(1, FromWorker::Goodbye { reason: "it was asked to".into() });
    let waits = &rig.stored[&id];
    assert_eq!((waits.status, waits.lost_attempts), (ExecutionStatus::Waiting, 0));
    assert_eq!(status(&rig, 1), WorkerStatus::Terminated);
}

#[test]
fn what_is_terminated_while_its_worker_leaves_is_terminated() {
    let (mut rig, id) = running(ActivitySettings::default(), 1);
    rig.ask(Request::Terminate(id, crate::api::TerminationMode::Grace));
    leaves(&mut rig);
    rig.ends(1, id, AttemptOutcome::WorkerLeft);
    assert_eq!(rig.stored[&id].outcome, Some(Outcome::Terminated));
}

#[test]
fn an_engine_that_ends_gives_nothing_out_and_changes_no_fleet() {
    let mut rig = Harness::new(ActivitySettings::default(), 2);
    rig.submit();
    rig.connect(1, 1);
    rig.install_ends(1, InstallOutcome::Installed);
    rig.state.give_nothing_out();
    rig.effects.clear();
    let late = rig.submit();
    rig.pass(60_000);
    assert_eq!(rig.stored[&late].status, ExecutionStatus::Waiting);
    let given = |effect: &Effect| matches!(effect, Effect::Start(..) | Effect::Create(..) | Effect::Install(..));
    assert!(!rig.effects.iter().any(given), "{:?}", rig.effects);
}

//! Decisions that time and chance bring about seldom, each in the situation that it is about.

mod advice;
pub(in crate::plan) mod harness;
mod kinds;
mod leaving;
mod restored;
mod revisions;

use harness::{ACTIVITY, Harness, REVISION, first_attempt, running};

use super::{Effect, Input, MAX_AHEAD};
use crate::{
    api::{Limits, Registration, Reply, Request},
    domain::{
        ActivityId, ActivitySettings, AttemptKey, AttemptOutcome, ExecutionId, ExecutionStatus, MAX_SLOTS, Millis,
        NewActivity, NewExecution, RevisionChoice, RevisionStatus, SessionId, Timestamp, WorkerId,
    },
    link::{AttemptReport, EndReport, FromWorker, InstallOutcome},
    provisioner::ProvisionError,
};

impl Harness {
    fn created(&mut self) -> Vec<u64> {
        let created = |effect| if let Effect::Create(WorkerId(id), _) = effect { Some(id) } else { None };
        std::mem::take(&mut self.effects).into_iter().filter_map(created).collect()
    }

    fn recalled(&mut self) -> usize {
        let effects = std::mem::take(&mut self.effects);
        effects.iter().filter(|effect| matches!(effect, Effect::Recall(..))).count()
    }

    fn install_fails(&mut self, worker: u64, permanent: bool) {
        let message = "it was disturbed".to_owned();
        self.install_ends(worker, InstallOutcome::Failed { message, permanent });
    }

    fn revision_status(&self) -> RevisionStatus {
        self.state.revision(ACTIVITY, REVISION).unwrap().status
    }

    /// The second activity and those after it, with no worker that has it yet.
    fn add_activity(&mut self, name: &str) -> ActivityId {
        let new = NewActivity::script(name, "cp x main.sh");
        let request = Request::CreateActivity { new, registration: Registration::Create };
        let Reply::Registered(view, _) = self.ask(request) else { panic!() };
        view.activity.id
    }

    fn start(&mut self, activity: &str) {
        let Reply::Submitted(_) = self.ask(Request::Submit(NewExecution::new(activity))) else { panic!() };
    }

    /// Ends what runs, which makes room for the next, and says which activity that is of.
    fn turn(&mut self) -> ActivityId {
        let running = self.stored.values().find(|execution| execution.status == ExecutionStatus::Running).unwrap();
        let (id, activity) = (running.id, running.activity);
        self.runs(1, id);
        // Long enough not to be prefetched.
        self.now = self.now + Millis(200);
        self.reports(id, self.now + Millis(0), Millis(200));
        activity
    }

    fn reports(&mut self, execution: ExecutionId, ended_at: Timestamp, duration: Millis) {
        let report = EndReport {
            key: first_attempt(execution),
            started_at: Some(ended_at - duration),
            ended_at,
            end: AttemptOutcome::Exited(0),
            stdout: Default::default(),
            stdout_from: 0,
            stderr: Default::default(),
            stderr_from: 0,
            order: Default::default(),
            order_from: 0,
        };
        self.said(1, FromWorker::Ended(Box::new(report)));
    }
}

#[test]
fn the_row_of_a_worker_says_which_backend_made_it() {
    let mut rig = Harness::new(ActivitySettings::default(), 1);
    rig.pass(10);
    let made = rig.state.workers.values().map(|state| state.worker.backend.as_deref());
    assert_eq!(made.collect::<Vec<_>>(), [Some("test")]);
}

#[test]
fn a_worker_that_dies_before_its_hello_is_not_launched_again_and_again() {
    let mut rig = Harness::new(ActivitySettings::default(), 1);
    rig.submit();
    assert_eq!(rig.created(), [1]);
    let mut launched = 0;
    for _ in 0..600 {
        let alive = launched + 1;
        rig.step(Input::Created { worker: WorkerId(alive), result: Ok(()) });
        rig.step(Input::Gone { worker: WorkerId(alive), reason: "its process ended".into() });
        rig.step(Input::Destroyed { worker: WorkerId(alive), result: Ok(()) });
        rig.pass(100);
        launched += rig.created().len() as u64;
    }
    // At once, after 10 s, and after 1 min, in the one minute that has passed.
    assert_eq!(launched, 2);
}

#[test]
fn a_worker_that_is_here_outlives_a_late_refusal() {
    let (mut rig, id) = running(ActivitySettings::default(), 1);
    rig.effects.clear();
    rig.step(Input::Created { worker: WorkerId(1), result: Err(ProvisionError::new("no machine to be had")) });
    assert_eq!(rig.effects, []);
    rig.ends(1, id, AttemptOutcome::Exited(0));
    assert_eq!(rig.stored[&id].status, ExecutionStatus::Finished);
}

#[test]
fn how_far_a_launch_has_come_is_told_until_its_hello_or_its_end() {
    let mut rig = Harness::new(ActivitySettings::default(), 1);
    rig.submit();
    rig.step(Input::Progress { worker: WorkerId(1), note: "its task waits for a node".into() });
    rig.step(Input::Created { worker: WorkerId(1), result: Ok(()) });
    let reason = |rig: &Harness| rig.state.workers[&WorkerId(1)].worker.why();
    assert_eq!(reason(&rig).as_deref(), Some("its task waits for a node"));
    rig.pass(600_000);
    let said = reason(&rig).unwrap_or_default();
    assert!(said.starts_with("it did not dial in within ") && said.ends_with(": its task waits for a node"), "{said}");
}

#[test]
fn a_fleet_that_fails_together_has_failed_once() {
    let mut rig = Harness::new(ActivitySettings::default(), 4);
    rig.submit();
    assert_eq!(rig.created(), [1, 2, 3, 4]);
    for worker in 1..=4 {
        rig.step(Input::Created { worker: WorkerId(worker), result: Err(ProvisionError::new("no network")) });
    }
    rig.pass(11_000);
    assert!(!rig.created().is_empty(), "the network is back after ten seconds");
}

#[test]
fn a_verification_that_was_disturbed_is_tried_again() {
    let mut rig =
        Harness::with(ActivitySettings::default(), RevisionStatus::Verifying, Some("ab".into()), 1, Limits::default());
    let id = rig.submit();
    rig.connect(1, 1);
    for pause in [10_000, 60_000] {
        rig.install_fails(1, false);
        assert_eq!(rig.revision_status(), RevisionStatus::Verifying);
        assert_eq!(rig.stored[&id].status, ExecutionStatus::Waiting);
        rig.effects.clear();
        for _ in 0..pause / 1000 {
            rig.said(1, FromWorker::Heartbeat);
            rig.pass(1000);
        }
        assert!(rig.effects.contains(&Effect::Install(WorkerId(1), ACTIVITY, REVISION)), "{:?}", rig.effects);
    }
    rig.install_fails(1, false);
    assert_eq!(rig.revision_status(), RevisionStatus::Rejected, "the third time it is taken for the script's fault");
}

#[test]
fn a_script_that_fails_is_rejected_at_once() {
    let mut rig =
        Harness::with(ActivitySettings::default(), RevisionStatus::Verifying, Some("ab".into()), 1, Limits::default());
    rig.pass(1);
    rig.connect(1, 1);
    rig.install_fails(1, true);
    assert_eq!(rig.revision_status(), RevisionStatus::Rejected);
}

#[test]
fn who_comes_late_starts_level_whatever_else_cannot_be_served() {
    let mut rig = Harness::new(ActivitySettings::default(), 1);
    let late = rig.add_activity("late");
    rig.connect(1, 1);
    let outcome = InstallOutcome::Installed;
    rig.said(1, FromWorker::InstallEnded { activity: late, revision: REVISION, outcome: outcome.clone() });
    rig.submit();
    rig.install_ends(1, outcome);
    rig.add_activity("hangs");
    rig.start("hangs");
    (0..100).for_each(|_| _ = rig.submit());
    (0..40).for_each(|_| assert_eq!(rig.turn(), ACTIVITY));
    (0..40).for_each(|_| rig.start("late"));
    let turns: Vec<ActivityId> = (0..40).map(|_| rig.turn()).collect();
    let of_late = turns.iter().filter(|activity| **activity == late).count();
    assert!((18..=22).contains(&of_late), "{turns:?}");
}

#[test]
fn a_large_worker_is_given_no_more_than_its_link_can_take_at_once() {
    let (mut rig, first) = running(ActivitySettings::default(), MAX_SLOTS);
    let second = rig.submit();
    for id in [first, second] {
        rig.ends(1, id, AttemptOutcome::Exited(0));
    }
    let inputs = vec![None; 10_000];
    let (activity, idempotency_key) = ("echo".to_owned(), None);
    rig.ask(Request::SubmitMany { activity, revision: RevisionChoice::Current, inputs, idempotency_key });
    let held = rig.stored.values().filter(|execution| execution.status == ExecutionStatus::Running).count();
    assert_eq!(held, (MAX_SLOTS + MAX_AHEAD) as usize);
}

#[test]
fn what_was_asked_back_over_a_link_that_broke_is_asked_back_again() {
    let (mut rig, first) = running(ActivitySettings::default(), 1);
    rig.ends(1, first, AttemptOutcome::Exited(0));
    let second = rig.submit();
    rig.runs(1, second);
    rig.ends(1, second, AttemptOutcome::Exited(0));
    let (third, fourth) = (rig.submit(), rig.submit());
    rig.runs(1, third);
    assert_eq!(rig.stored[&fourth].status, ExecutionStatus::Running, "short ones are given out ahead of time");
    rig.pass(1500);
    assert_eq!(rig.recalled(), 1);
    rig.pass(1500);
    assert_eq!(rig.recalled(), 0, "once is enough on a link that holds");
    rig.step(Input::LinkLost { worker: WorkerId(1), session: SessionId(1) });
    let attempts = [(third, Some(rig.now)), (fourth, None)].map(|(execution, started_at)| AttemptReport {
        key: first_attempt(execution),
        started_at,
        ended: false,
    });
    rig.connect_with(1, 1, attempts.into());
    rig.pass(1500);
    assert_eq!(rig.recalled(), 1);
}

#[test]
fn when_something_ended_is_told_by_the_manager_s_clock() {
    for far in [Timestamp(0), Timestamp(i64::MAX / 2)] {
        let (mut rig, id) = running(ActivitySettings::default(), 1);
        let assigned_at = rig.now;
        rig.now = rig.now + Millis(500);
        rig.reports(id, far, Millis(300));
        let ended = &rig.stored[&id];
        let (started, finished) = (ended.started_at.unwrap(), ended.finished_at.unwrap());
        assert!(assigned_at <= started && started <= finished && finished <= rig.now, "{ended:?}");
    }
}

#[test]
fn why_a_worker_was_lost_is_told_also_when_it_could_not_be_destroyed_at_first() {
    let (mut rig, _) = running(ActivitySettings::default(), 1);
    rig.step(Input::Gone { worker: WorkerId(1), reason: "it was killed".into() });
    for (result, expected) in [
        (Err("no engine".into()), "it was killed; it could not be destroyed: no engine"),
        (Err("no leader".into()), "it was killed; it could not be destroyed: no leader"),
        (Ok(()), "it was killed"),
    ] {
        rig.step(Input::Destroyed { worker: WorkerId(1), result });
        assert_eq!(rig.state.workers[&WorkerId(1)].worker.why().as_deref(), Some(expected));
    }
}

#[test]
fn a_destruction_is_asked_for_once_until_it_is_answered_and_again_after_a_failure() {
    let (mut rig, _) = running(ActivitySettings::default(), 1);
    let destroys = |rig: &mut Harness| {
        let asked = rig.effects.iter().filter(|effect| **effect == Effect::Destroy(WorkerId(1))).count();
        rig.effects.clear();
        asked
    };
    rig.step(Input::Gone { worker: WorkerId(1), reason: "it was killed".into() });
    assert_eq!(destroys(&mut rig), 1);
    rig.pass(25_000);
    assert_eq!(destroys(&mut rig), 0, "the provisioner is at it");
    for (wait, asked_within) in [(10_000, 1), (10_000, 1), (59_000, 0)] {
        rig.step(Input::Destroyed { worker: WorkerId(1), result: Err("no engine".into()) });
        assert_eq!(destroys(&mut rig), 0, "not at once");
        rig.pass(wait);
        assert_eq!(destroys(&mut rig), asked_within);
    }
    rig.pass(1000);
    assert_eq!(destroys(&mut rig), 1);
    rig.step(Input::Destroyed { worker: WorkerId(1), result: Ok(()) });
    rig.pass(600_000);
    assert_eq!(destroys(&mut rig), 0);
}

#[test]
fn the_work_of_a_dead_worker_does_not_wait_for_ever_until_it_is_destroyed() {
    let (mut rig, id) = running(ActivitySettings::default(), 1);
    rig.step(Input::Gone { worker: WorkerId(1), reason: "it was killed".into() });
    rig.pass(29_000);
    assert_eq!(rig.stored[&id].status, ExecutionStatus::Running);
    rig.pass(2000);
    assert_eq!(rig.stored[&id].status, ExecutionStatus::Waiting);
}

#[test]
fn what_a_worker_finds_damaged_is_installed_there_again_and_its_execution_waits_uncounted() {
    let mut rig = Harness::new(ActivitySettings::default(), 1);
    let id = rig.submit();
    rig.connect(1, 1);
    rig.install_ends(1, InstallOutcome::Installed);
    rig.said(1, FromWorker::Removed { activity: ACTIVITY, revision: REVISION });
    rig.said(1, FromWorker::Recalled { key: first_attempt(id) });
    let status = |rig: &Harness| rig.state.workers[&WorkerId(1)].installations[&(ACTIVITY, REVISION)].status;
    assert_eq!(status(&rig), crate::domain::InstallationStatus::Installing);
    assert_eq!(rig.stored[&id].status, ExecutionStatus::Waiting);
    rig.install_ends(1, InstallOutcome::Installed);
    rig.runs(1, id);
    rig.ends(1, id, AttemptOutcome::Exited(0));
    let ended = &rig.stored[&id];
    assert_eq!(
        (ended.status, ended.attempt.0, ended.failures, ended.lost_attempts),
        (ExecutionStatus::Finished, 1, 0, 0)
    );
}

//! Schedulers that say what cannot be done: it is left out, and nothing comes to harm.

use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    domain::{Age, Rules, ScaleReason, WorkerStatus},
    plan::{SlipKind, Slips, State},
    scheduler::{Assignment, DefaultScheduler, Demand, FleetMember, PlacementView, ScalingPlan, Scheduler},
};

/// Says what a test wants once, and then what the default one says.
#[derive(Debug, Default)]
struct Said {
    place: Mutex<Option<Vec<Assignment>>>,
    scale: Mutex<Option<ScalingPlan>>,
}

impl Scheduler for Said {
    fn place(&self, view: &PlacementView<'_>, now: Age) -> Vec<Assignment> {
        self.place.lock().unwrap().take().unwrap_or_else(|| DefaultScheduler.place(view, now))
    }
    fn scale(&self, rules: &Rules, demand: &Demand, fleet: &[FleetMember], now: Age) -> ScalingPlan {
        self.scale.lock().unwrap().take().unwrap_or_else(|| DefaultScheduler.scale(rules, demand, fleet, now))
    }
}

/// A planner with a ready worker of two slots that asks this scheduler from now on.
fn rig(settings: ActivitySettings) -> (Harness, Arc<Said>) {
    let mut rig = Harness::new(settings, 2);
    rig.submit();
    rig.connect(1, 2);
    rig.install_ends(1, InstallOutcome::Installed);
    rig.ends(1, ExecutionId(1), AttemptOutcome::Exited(0));
    let said = Arc::new(Said::default());
    rig.state.config.scheduler = said.clone();
    (rig, said)
}

impl Harness {
    /// What a round leaves out.
    fn slips(&mut self, input: Input) -> Slips {
        self.round(input).slips
    }

    fn submits(&self) -> Input {
        let request = Request::Submit(NewExecution::new("echo"));
        Input::Request { request, reply: crate::plan::ReplyId(1), found: Box::default() }
    }

    fn given(&self) -> Vec<u64> {
        let given = |effect: &Effect| if let Effect::Start(worker, _) = effect { Some(worker.0) } else { None };
        self.effects.iter().filter_map(given).collect()
    }
}

fn to(worker: u64) -> Assignment {
    Assignment { activity: ACTIVITY, revision: REVISION, worker: WorkerId(worker) }
}

#[test]
fn assignments_that_cannot_be_carried_out_are_left_out_and_the_others_are_carried_out() {
    let other = Assignment { activity: ActivityId(4711), ..to(1) };
    for (said, kind, given) in [
        (vec![to(999)], SlipKind::NoSuchWorker, vec![]),
        (vec![to(999), to(1)], SlipKind::NoSuchWorker, vec![1]),
        // The second worker is launching: it is no room.
        (vec![to(2), to(1)], SlipKind::NoSuchWorker, vec![1]),
        (vec![other, to(1)], SlipKind::NoSuchQueue, vec![1]),
        (vec![to(1), to(1)], SlipKind::NothingDue, vec![1]),
    ] {
        let (mut rig, scheduler) = rig(ActivitySettings::default());
        rig.effects.clear();
        *scheduler.place.lock().unwrap() = Some(said.clone());
        let slips = rig.slips(rig.submits());
        assert_eq!(slips.keys().copied().collect::<Vec<_>>(), [kind], "{said:?}");
        assert_eq!(rig.given(), given, "{said:?}");
        // What was left out is not lost: the next round gives it out.
        rig.pass(1000);
        assert_eq!(rig.given(), [1]);
    }
}

#[test]
fn no_worker_is_given_more_than_it_takes_and_no_activity_more_than_may_run() {
    let (mut rig, scheduler) = rig(ActivitySettings::default());
    let Reply::SubmittedMany(_) = rig.ask(Request::SubmitMany {
        activity: "echo".into(),
        revision: RevisionChoice::Current,
        inputs: vec![None; 2],
        idempotency_key: None,
    }) else {
        panic!()
    };
    rig.effects.clear();
    *scheduler.place.lock().unwrap() = Some(vec![to(1); 100]);
    // Nothing idle is left, and nothing is known of how long it takes, so nothing is prefetched.
    let slips = rig.slips(rig.submits());
    assert!(slips.is_empty() && rig.given().is_empty(), "a scheduler is not asked where there is no room: {slips:?}");

    let (mut rig, scheduler) = self::rig(ActivitySettings { max_concurrency: Some(1), ..ActivitySettings::default() });
    rig.effects.clear();
    rig.submit();
    *scheduler.place.lock().unwrap() = Some(vec![to(1)]);
    let slips = rig.slips(rig.submits());
    assert_eq!(slips.keys().copied().collect::<Vec<_>>(), [SlipKind::OverAllowance]);
    assert_eq!(rig.given(), [1]);
}

#[test]
fn no_worker_is_given_what_it_has_not_installed() {
    let (mut rig, scheduler) = rig(ActivitySettings::default());
    rig.connect(2, 2);
    // Both are rooms; only the first one has it.
    rig.effects.clear();
    *scheduler.place.lock().unwrap() = Some(vec![to(2)]);
    let slips = rig.slips(rig.submits());
    assert_eq!(slips.keys().copied().collect::<Vec<_>>(), [SlipKind::NotInstalled]);
    assert_eq!(rig.given(), [] as [u64; 0]);
}

#[test]
fn a_fleet_is_not_changed_in_ways_that_cannot_be() {
    let scale = |launch: u32, drain: &[u64], undrain: &[u64]| ScalingPlan {
        launch,
        drain: drain.iter().copied().map(WorkerId).collect(),
        undrain: undrain.iter().copied().map(WorkerId).collect(),
        reason: Some(ScaleReason::Said { sentence: "because".into() }),
    };
    for (said, kind) in [
        (scale(0, &[999], &[]), SlipKind::NotToDrain),
        (scale(0, &[], &[1]), SlipKind::NotToUndrain),
        (scale(0, &[], &[999]), SlipKind::NotToUndrain),
        (scale(u32::MAX, &[], &[]), SlipKind::TooManyLaunches),
        // The policy has its two.
        (scale(1, &[], &[]), SlipKind::TooManyLaunches),
    ] {
        let (mut rig, scheduler) = rig(ActivitySettings::default());
        rig.pass(1000);
        let before = rig.state.workers.len();
        *scheduler.scale.lock().unwrap() = Some(said.clone());
        rig.now = rig.now + Millis(1000);
        let slips = rig.slips(Input::Tick);
        assert_eq!(slips.keys().copied().collect::<Vec<_>>(), [kind], "{said:?}");
        assert_eq!(rig.state.workers.len(), before);
        assert!(rig.state.workers.values().all(|state| !state.worker.draining), "{said:?}");
    }
}

#[test]
fn an_attempt_in_a_worker_that_nobody_knows_is_lost_at_the_next_start() {
    let (mut rig, id) = running(ActivitySettings::default(), 1);
    let held = &rig.state.held[&id];
    let mut attempt = held.attempt.clone();
    attempt.worker = WorkerId(999);
    let snapshot = crate::store::Snapshot {
        activities: vec![crate::store::ActivityRecord {
            activity: rig.state.activities[&ACTIVITY].activity.clone(),
            revisions: vec![rig.state.revision(ACTIVITY, REVISION).unwrap().clone()],
            revision_counters: Vec::new(),
            counters: Default::default(),
        }],
        activity_names: vec![(ACTIVITY, "echo".into())],
        running: vec![(held.execution.clone(), attempt)],
        id_sequences: rig.state.ids,
        ..Default::default()
    };
    rig.state = State::load(rig.state.config.clone(), snapshot, rig.now);
    rig.step(Input::Started);
    let waits = &rig.stored[&id];
    assert_eq!((waits.status, waits.lost_attempts), (ExecutionStatus::Waiting, 1));
    assert_eq!(rig.state.workers.values().filter(|state| state.worker.status == WorkerStatus::Lost).count(), 0);
}

//! Scenarios: what a worker says and does when its manager and its executions say and do something.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        ActivityId, AttemptKey, AttemptNo, AttemptOutcome, Epoch, ExecutionId, Millis, OutputSegment, Payload,
        RevisionNo, SessionId, StoreId, Stream, Timestamp, WorkerId,
    },
    executor::{InstallError, RunEvent, StartError, StopMode},
    link::{
        AttemptReport, FromWorker, Hello, InstallOutcome, NEWEST_VERSION, Rejection, StartCommand, ToWorker, Welcome,
    },
    worker::{Identity, SpoolMemory, WorkerExit},
};

const A: ActivityId = ActivityId(1);
const R: RevisionNo = RevisionNo(1);

/// A worker, a frozen clock, and what was done.
struct Scene {
    state: WorkerState,
    now: Now,
    effects: Vec<Effect>,
}

fn key(execution: u64) -> AttemptKey {
    AttemptKey { execution: ExecutionId(execution), attempt: AttemptNo(1) }
}

fn order(execution: u64) -> ToWorker {
    ToWorker::Start(Box::new(StartCommand {
        key: key(execution),
        activity: A,
        activity_name: "a".into(),
        revision: R,
        input: None,
        env: Arc::new(BTreeMap::new()),
        timeout: None,
        grace: Millis::from_secs(10),
        workdir: crate::domain::Workdir::Private,
        network: crate::domain::Network::Default,
    }))
}

fn welcome() -> Welcome {
    Welcome {
        store: StoreId(Uuid::from_u128(7)),
        epoch: Epoch(3),
        worker: WorkerId(1),
        session: SessionId(1),
        heartbeat: Millis::from_secs(5),
        orphan_timeout: Millis::from_secs(600),
        output_cap: 64 << 20,
        discard: Vec::new(),
        remove: Vec::new(),
        version: NEWEST_VERSION,
    }
}

fn install(activity: ActivityId) -> ToWorker {
    let payload = Payload::Script(Bytes::from_static(b"cp x main.sh"));
    ToWorker::Install { activity, revision: R, payload, env: BTreeMap::new(), timeout: Millis::from_secs(60) }
}

impl Scene {
    fn new(slots: u32) -> Self {
        Self::taking_ahead(slots, 0)
    }

    /// A worker whose executor takes so many more than it has slots.
    fn taking_ahead(slots: u32, ahead: u32) -> Self {
        let now = Now { wall: Timestamp(1_000), uptime: Duration::ZERO };
        let identity = Identity::new(5);
        let disk = Arc::new(SpoolMemory::new(1 << 30));
        Self { state: WorkerState::new(identity, slots, ahead, vec![(A, R)], disk, now), now, effects: Vec::new() }
    }

    /// A worker that was welcomed, and has asked whether its manager answers.
    fn welcomed(slots: u32) -> Self {
        let mut scene = Self::new(slots);
        scene.connect();
        scene.hear([ToWorker::Welcome(Box::new(welcome()))]);
        assert_eq!(scene.said(), [FromWorker::Heartbeat]);
        scene
    }

    fn connect(&mut self) -> Hello {
        self.step(Input::Connected);
        match self.said().remove(0) {
            FromWorker::Hello(hello) => *hello,
            other => panic!("not a hello: {other:?}"),
        }
    }

    fn step(&mut self, input: Input) {
        self.state.step(input, self.now, &mut self.effects);
    }

    fn hear(&mut self, messages: impl IntoIterator<Item = ToWorker>) {
        self.step(Input::Received(messages.into_iter().collect()));
    }

    fn said(&mut self) -> Vec<FromWorker> {
        self.state.collect(self.now)
    }

    fn did(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn started(&mut self) -> Vec<AttemptKey> {
        let starts = self.did().into_iter().filter_map(|effect| match effect {
            Effect::Start(request) => Some(request.key),
            _ => None,
        });
        starts.collect()
    }

    /// Lets time pass, with a tick at every deadline.
    fn pass(&mut self, time: Duration) {
        let until = self.now.uptime + time;
        while let Some(due) = self.state.next_deadline().filter(|due| *due <= until) {
            self.at(due.max(self.now.uptime));
            self.step(Input::Tick);
            assert!(
                self.state.next_deadline().is_none_or(|next| next > self.now.uptime),
                "a tick settles its deadline"
            );
            if self.effects.iter().any(|effect| matches!(effect, Effect::Exit(_))) {
                return;
            }
        }
        self.at(until);
    }

    fn at(&mut self, uptime: Duration) {
        self.now = Now { wall: Timestamp(1_000 + uptime.as_millis() as i64), uptime };
    }

    fn prints(&mut self, execution: u64, bytes: &'static [u8]) {
        let event = RunEvent::Output { stream: Stream::Stdout, bytes: Bytes::from_static(bytes) };
        self.step(Input::Run(key(execution), event));
    }

    fn begins(&mut self, execution: u64) {
        self.step(Input::Run(key(execution), RunEvent::Started { at: self.now.wall }));
    }

    fn exits(&mut self, execution: u64) {
        let event = RunEvent::Ended { end: AttemptOutcome::Exited(0), at: self.now.wall };
        self.step(Input::Run(key(execution), event));
    }
}

fn ends(messages: &[FromWorker]) -> Vec<(AttemptKey, AttemptOutcome)> {
    let ends = messages.iter().filter_map(|message| match message {
        FromWorker::Ended(report) => Some((report.key, report.end.clone())),
        _ => None,
    });
    ends.collect()
}

#[test]
fn a_short_execution_is_one_message() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1)]);
    assert_eq!(scene.started(), [key(1)]);
    scene.begins(1);
    scene.prints(1, b"hello\n");
    assert_eq!(scene.said(), [], "held back for a moment");
    scene.exits(1);
    let said = scene.said();
    assert_eq!(said.len(), 1);
    let FromWorker::Ended(report) = &said[0] else { panic!("{said:?}") };
    assert_eq!((&report.stdout[..], report.stdout_from), (&b"hello\n"[..], 0));
    assert_eq!(report.started_at, Some(Timestamp(1_000)));
    assert_eq!(scene.said(), [], "told once on a link");
    scene.hear([ToWorker::EndAck { key: key(1) }]);
    assert!(scene.state.is_idle());
}

#[test]
fn output_of_something_that_goes_on_running_is_live() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1)]);
    scene.begins(1);
    scene.prints(1, b"first");
    scene.pass(Duration::from_millis(1));
    let said = scene.said();
    assert!(matches!(said[0], FromWorker::Running { .. }), "{said:?}");
    let FromWorker::Interleaving { offset: 0, bytes: order, .. } = &said[1] else { panic!("{said:?}") };
    assert!(matches!(&said[2], FromWorker::Output { offset: 0, bytes, .. } if &bytes[..] == b"first"), "{said:?}");
    let run = OutputSegment::decode(&mut &order[..], Millis(0)).unwrap();
    assert_eq!(run, OutputSegment { stream: Stream::Stdout, len: 5, since: Millis(0) });
    scene.pass(Duration::from_millis(41));
    scene.prints(1, b" second");
    scene.exits(1);
    let said = scene.said();
    let FromWorker::Ended(report) = &said[0] else { panic!("{said:?}") };
    assert_eq!((&report.stdout[..], report.stdout_from), (&b" second"[..], 5));
    let run = OutputSegment::decode(&mut &report.order[..], run.since).unwrap();
    assert_eq!((run, report.order_from), (OutputSegment { stream: Stream::Stdout, len: 7, since: Millis(42) }, 2));
}

#[test]
fn no_more_than_the_slots_run_and_the_others_follow_in_order() {
    let mut scene = Scene::welcomed(2);
    scene.hear((1..=4).map(order));
    assert_eq!(scene.started(), [key(1), key(2)]);
    scene.hear([order(1), order(3)]);
    assert_eq!(scene.started(), [], "repeated starts change nothing");
    scene.exits(2);
    assert_eq!(scene.started(), [key(3)]);
    scene.exits(1);
    scene.exits(3);
    assert_eq!(scene.started(), [key(4)]);
    assert_eq!(scene.state.running(), 1);
}

#[test]
fn what_waits_can_be_recalled_and_what_runs_cannot() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1), order(2), ToWorker::Recall { key: key(1) }, ToWorker::Recall { key: key(2) }]);
    assert_eq!(scene.said(), [FromWorker::Recalled { key: key(2) }]);
    scene.did();
    scene.exits(1);
    assert_eq!(scene.started(), []);
    // Its number may be used again.
    scene.hear([order(2)]);
    assert_eq!(scene.started(), [key(2)]);
}

#[test]
fn an_executor_that_takes_some_ahead_is_given_them_and_asked_for_them_back() {
    let mut scene = Scene::taking_ahead(1, 1);
    scene.connect();
    scene.hear([ToWorker::Welcome(Box::new(welcome()))]);
    scene.hear((1..=3).map(order));
    assert_eq!(scene.started(), [key(1), key(2)]);
    scene.step(Input::Run(key(1), RunEvent::Started { at: scene.now.wall }));
    scene.hear([1, 2, 3].map(|n| ToWorker::Recall { key: key(n) }));
    assert_eq!(scene.did(), [Effect::Recall(key(2))], "the first has begun, the third is not the executor's");
    assert!(scene.said().contains(&FromWorker::Recalled { key: key(3) }));
    let recalled = RunEvent::Ended { end: AttemptOutcome::Recalled, at: scene.now.wall };
    scene.step(Input::Run(key(2), recalled));
    assert_eq!(scene.said(), [FromWorker::Recalled { key: key(2) }]);
    scene.hear([order(2)]);
    assert_eq!(scene.started(), [key(2)], "its number may be used again");
}

#[test]
fn stopping_reaches_what_waits_what_runs_and_what_is_not_held() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1), order(2)]);
    scene.did();
    scene.hear([1, 2, 9].map(|n| ToWorker::Stop { key: key(n), grace: Millis(500) }));
    assert_eq!(scene.did(), [Effect::Stop(key(1), StopMode::Terminate)]);
    let mut ended = ends(&scene.said());
    ended.sort_by_key(|(key, _)| *key);
    assert_eq!(ended, [(key(2), AttemptOutcome::Terminated), (key(9), AttemptOutcome::Lost)]);
    scene.pass(Duration::from_millis(499));
    assert_eq!(scene.did(), []);
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.did(), [Effect::Stop(key(1), StopMode::Kill)], "after the grace of the request");
    scene.step(Input::StartFailed(key(1), StartError { message: "stopped".into() }));
    assert_eq!(ends(&scene.said()), [(key(1), AttemptOutcome::Terminated)]);
}

#[test]
fn what_is_not_installed_is_not_started_and_given_back() {
    let mut scene = Scene::welcomed(1);
    scene.hear([ToWorker::Remove { activity: A, revision: R }, order(1)]);
    assert_eq!(scene.said(), [FromWorker::Recalled { key: key(1) }]);
}

#[test]
fn what_is_found_damaged_is_told_given_back_and_installed_again() {
    let mut scene = Scene::welcomed(2);
    scene.hear([order(1), order(2)]);
    scene.did();
    let removed = FromWorker::Removed { activity: A, revision: R };
    for number in [1, 2] {
        scene.step(Input::Run(key(number), RunEvent::InstallationLost));
        let end = RunEvent::Ended { end: AttemptOutcome::Recalled, at: scene.now.wall };
        scene.step(Input::Run(key(number), end));
    }
    let recalled = |number| FromWorker::Recalled { key: key(number) };
    assert_eq!(scene.said(), [removed.clone(), recalled(1), recalled(2)]);
    scene.hear([order(3)]);
    assert_eq!(scene.said(), [removed, recalled(3)], "it was sent before that was heard");
    let (payload, timeout) = (Payload::Script(Bytes::from_static(b"true")), Millis::from_secs(5));
    scene.hear([ToWorker::Install { activity: A, revision: R, payload, env: BTreeMap::new(), timeout }]);
    assert!(matches!(&scene.did()[..], [Effect::Install(_)]));
    scene.step(Input::InstallEnded(A, R, Ok(())));
    scene.hear([order(4)]);
    assert_eq!(scene.started(), [key(4)]);
}

#[test]
fn after_a_lost_link_everything_that_was_not_acknowledged_is_said_again() {
    let mut scene = Scene::welcomed(2);
    scene.hear([order(1), order(2), order(3)]);
    scene.begins(1);
    scene.begins(2);
    scene.prints(2, b"0123456789");
    scene.pass(Duration::from_millis(1));
    scene.said();
    scene.exits(1);
    assert_eq!(ends(&scene.said()).len(), 1);
    scene.hear([ToWorker::OutputAck { key: key(2), stdout: 4, stderr: 0, order: 0 }]);
    scene.step(Input::Disconnected);
    scene.prints(2, b"abc");
    assert_eq!(scene.said(), [], "there is nobody to tell");

    let hello = scene.connect();
    let report = |n, ended| AttemptReport { key: key(n), started_at: Some(Timestamp(1_000)), ended };
    let third = AttemptReport { key: key(3), started_at: None, ended: false };
    assert_eq!(hello.attempts, [report(1, true), report(2, false), third]);
    assert_eq!((hello.store, hello.worker, hello.epoch), (Some(welcome().store), Some(WorkerId(1)), Some(Epoch(3))));
    assert_eq!(scene.said(), [], "nothing is said before the welcome");
    scene.hear([ToWorker::Welcome(Box::new(welcome()))]);
    let said = scene.said();
    assert_eq!(ends(&said), [(key(1), AttemptOutcome::Exited(0))]);
    let again = said.iter().find(|message| matches!(message, FromWorker::Output { .. }));
    let Some(FromWorker::Output { offset, bytes, .. }) = again else { panic!("{said:?}") };
    assert_eq!((*offset, &bytes[..]), (4, &b"456789abc"[..]));
}

#[test]
fn ends_wait_a_moment_for_each_other_while_there_is_more_to_do() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1), order(2), order(3), order(4)]);
    scene.begins(1);
    scene.exits(1);
    assert_eq!(ends(&scene.said()), []);
    scene.begins(2);
    scene.exits(2);
    scene.pass(Duration::from_millis(2));
    assert_eq!(ends(&scene.said()), [1, 2].map(|execution| (key(execution), AttemptOutcome::Exited(0))));
}

#[test]
fn what_the_manager_discards_is_killed_and_never_spoken_of() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1), order(2)]);
    scene.begins(1);
    scene.did();
    scene.connect();
    scene.hear([ToWorker::Welcome(Box::new(Welcome { discard: vec![key(1), key(2)], ..welcome() }))]);
    assert_eq!(scene.did(), [Effect::Stop(key(1), StopMode::Kill)]);
    scene.hear([order(3)]);
    assert_eq!(scene.started(), [], "its slot is free when its tree is gone");
    scene.exits(1);
    assert_eq!(scene.started(), [key(3)]);
    assert_eq!(ends(&scene.said()), []);
}

#[test]
fn another_store_an_older_epoch_or_a_refusal_end_the_worker() {
    let stranger = Welcome { store: StoreId(Uuid::from_u128(8)), ..welcome() };
    let restored = Welcome { epoch: Epoch(2), ..welcome() };
    for foreign in [stranger, restored] {
        let mut scene = Scene::welcomed(1);
        scene.hear([order(1)]);
        scene.did();
        scene.connect();
        scene.hear([ToWorker::Welcome(Box::new(foreign))]);
        assert!(matches!(&scene.did()[..], [Effect::Exit(WorkerExit::WrongManager(_))]));
        scene.hear([order(2)]);
        assert_eq!(scene.did(), [], "nothing is done any more");
    }
    let mut scene = Scene::new(1);
    scene.connect();
    scene.hear([ToWorker::Refused(Rejection::Permanent("given up".into()))]);
    assert_eq!(scene.did(), [Effect::Exit(WorkerExit::Refused("given up".into()))]);
}

#[test]
fn a_refusal_that_may_pass_ends_only_the_link() {
    let mut scene = Scene::new(1);
    scene.connect();
    scene.hear([ToWorker::Refused(Rejection::Transient("full".into())), order(1)]);
    assert_eq!(scene.did(), [Effect::Disconnect("full".into())]);
}

#[test]
fn a_quiet_worker_says_that_it_is_there() {
    let mut scene = Scene::welcomed(1);
    scene.pass(Duration::from_millis(4_999));
    assert_eq!(scene.said(), []);
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.said(), [FromWorker::Heartbeat]);
    assert_eq!(scene.said(), []);
}

#[test]
fn the_silence_of_a_manager_that_used_to_answer_ends_the_link() {
    let mut scene = Scene::welcomed(1);
    scene.pass(Duration::from_secs(100));
    assert_eq!(scene.did(), [], "a manager that never answers is only heard when it has something to say");
    scene.hear([ToWorker::Heartbeat]);
    scene.pass(Duration::from_secs(14));
    assert_eq!(scene.did(), []);
    scene.pass(Duration::from_secs(1));
    assert!(matches!(&scene.did()[..], [Effect::Disconnect(_)]));
}

/// It may fall silent before the first heartbeat would have been due.
#[test]
fn a_link_that_falls_silent_in_its_first_seconds_is_given_up() {
    // A manager that is met for the first time is asked at once, and answers.
    let mut scene = Scene::welcomed(1);
    scene.hear([ToWorker::Heartbeat]);
    scene.pass(Duration::from_secs(15));
    assert!(matches!(&scene.did()[..], [Effect::Disconnect(_)]));
    // Over the next link to the same one, nothing need be heard for that.
    scene.connect();
    scene.hear([ToWorker::Welcome(Box::new(welcome()))]);
    assert_eq!(scene.said(), [], "it is known to answer");
    scene.pass(Duration::from_secs(15));
    assert!(matches!(&scene.did()[..], [Effect::Disconnect(_)]));
    // Another one need not: of an older release, it never would.
    scene.connect();
    scene.hear([ToWorker::Welcome(Box::new(Welcome { epoch: Epoch(4), ..welcome() }))]);
    assert_eq!(scene.said(), [FromWorker::Heartbeat]);
    scene.pass(Duration::from_secs(100));
    assert_eq!(scene.did(), []);
}

#[test]
fn a_manager_that_never_welcomes_is_given_up() {
    let mut scene = Scene::new(1);
    scene.connect();
    scene.pass(Duration::from_secs(10));
    assert!(matches!(&scene.did()[..], [Effect::Disconnect(_)]));
}

#[test]
fn alone_and_idle_it_ends_but_never_with_something_to_deliver() {
    let mut scene = Scene::welcomed(1);
    scene.step(Input::Disconnected);
    scene.pass(Duration::from_secs(601));
    assert!(matches!(&scene.did()[..], [Effect::Exit(WorkerExit::OrphanTimeout(_))]));

    let mut scene = Scene::welcomed(1);
    scene.hear([order(1)]);
    scene.exits(1);
    scene.did();
    scene.step(Input::Disconnected);
    scene.pass(Duration::from_secs(100_000));
    assert_eq!(scene.did(), []);
    scene.connect();
    scene.hear([ToWorker::Welcome(Box::new(welcome()))]);
    assert_eq!(ends(&scene.said()), [(key(1), AttemptOutcome::Exited(0))]);
}

#[test]
fn an_execution_that_the_executor_lost_is_reported_lost() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1)]);
    scene.step(Input::Vanished(key(1)));
    assert_eq!(ends(&scene.said()), [(key(1), AttemptOutcome::Lost)]);
}

mod floods;
mod installs;
mod leaving;

//! A planner with one activity, driven as the engine drives it, and the executions that a store would hold.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    api::{Explanation, Limits, Overview, PodError, Reply, Request},
    domain::{
        Activity, ActivityId, ActivityName, ActivitySettings, ActivityStatus, AttemptKey, AttemptNo, AttemptOutcome,
        Epoch, Execution, ExecutionId, Millis, MinuteBucket, NewExecution, Policy, PolicyId, Revision, RevisionNo,
        RevisionPurpose, RevisionStatus, ScriptSource, SessionId, StoreId, Timestamp, WorkerId,
    },
    link::{AttemptReport, EndReport, FromWorker, Hello, InstallOutcome},
    plan::{Config, Decision, Effect, Input, ReplyId, State, StoredContext},
    provisioner::Capabilities,
    scheduler::DefaultScheduler,
    store::{ActivityCounters, ActivityRecord, Change, IdSequences, Snapshot},
};

pub(in crate::plan) const START: Timestamp = Timestamp(1_000_000);
pub(in crate::plan) const ACTIVITY: ActivityId = ActivityId(1);
pub(in crate::plan) const REVISION: RevisionNo = RevisionNo(1);

/// A planner with one activity, driven as the engine drives it.
pub(in crate::plan) struct Harness {
    pub(in crate::plan) state: State,
    pub(in crate::plan) now: Timestamp,
    /// What the store would hold of executions.
    pub(in crate::plan) stored: HashMap<ExecutionId, Execution>,
    /// What it would hold of minutes.
    pub(in crate::plan) written: Vec<MinuteBucket>,
    /// What was to be done since they were last taken.
    pub(in crate::plan) effects: Vec<Effect>,
}

impl Harness {
    pub(in crate::plan) fn new(settings: ActivitySettings, workers: u32) -> Self {
        Self::with(settings, RevisionStatus::Approved, Some("ab".into()), workers, Limits::default())
    }

    pub(in crate::plan) fn with(
        settings: ActivitySettings,
        status: RevisionStatus,
        sha256: Option<Arc<str>>,
        workers: u32,
        limits: Limits,
    ) -> Self {
        let name = ActivityName::new("echo").unwrap();
        let activity = Activity {
            id: ACTIVITY,
            name: name.clone(),
            created_at: START,
            status: ActivityStatus::Verifying,
            revision: REVISION,
            latest: REVISION,
            source: ScriptSource::Inline,
            settings: settings.clone(),
            error: None,
            sha256: sha256.clone(),
        };
        let source = ScriptSource::Inline;
        let revision = Revision {
            activity: ACTIVITY,
            no: REVISION,
            created_at: START,
            source,
            settings,
            status,
            error: None,
            sha256,
            purpose: RevisionPurpose::Put,
        };
        let rules = BTreeMap::from([("fixedWorkers".to_owned(), workers.to_string())]);
        let snapshot = Snapshot {
            activities: vec![ActivityRecord {
                activity,
                revisions: vec![revision],
                revision_counters: Vec::new(),
                counters: ActivityCounters::default(),
            }],
            activity_names: vec![(ACTIVITY, "echo".into())],
            policies: vec![Policy { id: PolicyId(1), name, rules }],
            active_policy: PolicyId(1),
            id_sequences: IdSequences { activity: 1, policy: 1, ..IdSequences::default() },
            ..Snapshot::default()
        };
        let config = Config {
            store: StoreId(uuid::Uuid::nil()),
            epoch: Epoch(1),
            limits,
            backend: "test".into(),
            launch_timeout: Millis(600_000),
            capabilities: Capabilities::default(),
            scheduler: Arc::new(DefaultScheduler),
            window: crate::plan::Window::default(),
            oldest_version: crate::link::OLDEST_VERSION,
        };
        Self {
            state: State::load(config, snapshot, START),
            now: START,
            stored: HashMap::new(),
            written: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Takes an input and plans; gives the answer if there is one.
    pub(in crate::plan) fn step(&mut self, input: Input) -> Option<Result<Reply, PodError>> {
        let mut out = self.round(input);
        out.replies.pop().map(|(_, reply)| reply)
    }

    /// The same, for what else was decided.
    pub(in crate::plan) fn round(&mut self, input: Input) -> Decision {
        let mut out = Decision::default();
        self.state.step(input, self.now, &mut out);
        self.state.plan(self.now, &mut out);
        for change in self.state.batch(&mut out).map(|batch| batch.changes).unwrap_or_default() {
            match change {
                Change::InsertExecution(execution) => {
                    self.stored.insert(execution.id, Execution::clone(&execution));
                }
                Change::UpdateExecution(update) => {
                    let id = update.id;
                    update.apply(self.stored.get_mut(&id).unwrap());
                }
                Change::PutMinute(minute) => {
                    self.written.retain(|other| other.minute != minute.minute);
                    self.written.push(minute);
                }
                _ => {}
            }
        }
        self.effects.append(&mut out.effects);
        out
    }

    pub(in crate::plan) fn try_ask(&mut self, request: Request) -> Result<Reply, PodError> {
        let execution = match &request {
            Request::Explain(id) | Request::Terminate(id, _) => self.stored.get(id).cloned(),
            _ => None,
        };
        let found = Box::new(StoredContext { execution, sha256: Some("cd".into()), ..StoredContext::default() });
        self.step(Input::Request { request, reply: ReplyId(1), found }).unwrap()
    }

    pub(in crate::plan) fn ask(&mut self, request: Request) -> Reply {
        self.try_ask(request).unwrap()
    }

    pub(in crate::plan) fn submit(&mut self) -> ExecutionId {
        let Reply::Submitted(submitted) = self.ask(Request::Submit(NewExecution::new("echo"))) else { panic!() };
        submitted.id
    }

    /// A worker that was launched says hello, with nothing installed.
    pub(in crate::plan) fn connect(&mut self, worker: u64, slots: u32) {
        self.connect_with(worker, slots, Vec::new());
    }

    /// A worker says hello and reports what it holds.
    pub(in crate::plan) fn connect_with(&mut self, worker: u64, slots: u32, attempts: Vec<AttemptReport>) {
        let hello = Hello { worker: Some(WorkerId(worker)), attempts, ..Hello::new(worker, slots) };
        self.step(Input::Hello { hello: Box::new(hello), session: SessionId(worker), anyone: false });
    }

    pub(in crate::plan) fn said(&mut self, worker: u64, message: FromWorker) {
        self.step(Input::Said { worker: WorkerId(worker), session: SessionId(worker), message });
    }

    pub(in crate::plan) fn install_ends(&mut self, worker: u64, outcome: InstallOutcome) {
        self.said(worker, FromWorker::InstallEnded { activity: ACTIVITY, revision: REVISION, outcome });
    }

    pub(in crate::plan) fn runs(&mut self, worker: u64, execution: ExecutionId) {
        self.said(worker, FromWorker::Running { key: first_attempt(execution), at: self.now });
    }

    pub(in crate::plan) fn ends(&mut self, worker: u64, execution: ExecutionId, end: AttemptOutcome) {
        self.ends_attempt(worker, first_attempt(execution), end);
    }

    pub(in crate::plan) fn ends_attempt(&mut self, worker: u64, key: AttemptKey, end: AttemptOutcome) {
        let report = EndReport {
            key,
            started_at: Some(self.now),
            ended_at: self.now,
            end,
            stdout: Default::default(),
            stdout_from: 0,
            stderr: Default::default(),
            stderr_from: 0,
            order: Default::default(),
            order_from: 0,
        };
        self.said(worker, FromWorker::Ended(Box::new(report)));
    }

    pub(in crate::plan) fn pass(&mut self, millis: u64) {
        self.now = self.now + Millis(millis);
        self.step(Input::Tick);
    }

    pub(in crate::plan) fn explain(&mut self, execution: ExecutionId) -> Explanation {
        let Reply::Explanation(explanation) = self.ask(Request::Explain(execution)) else { panic!() };
        *explanation
    }

    pub(in crate::plan) fn sentences(&mut self, execution: ExecutionId) -> Vec<String> {
        self.explain(execution).reasons.iter().map(ToString::to_string).collect()
    }

    pub(in crate::plan) fn overview(&mut self) -> Overview {
        let Reply::Overview(overview) = self.ask(Request::Overview) else { panic!() };
        *overview
    }
}

pub(in crate::plan) fn first_attempt(execution: ExecutionId) -> AttemptKey {
    AttemptKey { execution, attempt: AttemptNo(1) }
}

/// A worker with that many slots and the activity installed, and its first execution running.
pub(in crate::plan) fn running(settings: ActivitySettings, slots: u32) -> (Harness, ExecutionId) {
    let mut rig = Harness::new(settings, 1);
    let first = rig.submit();
    rig.connect(1, slots);
    rig.install_ends(1, InstallOutcome::Installed);
    rig.runs(1, first);
    (rig, first)
}

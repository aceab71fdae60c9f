//! The planner alone: how long it takes to decide about a million executions on ten thousand workers.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use pod_core::{
    Limits,
    domain::{
        Activity, ActivityId, ActivityName, ActivitySettings, ActivityStatus, Age, AttemptKey, AttemptOutcome, Epoch,
        Execution, ExecutionId, Installation, InstallationStatus, Millis, Policy, PolicyId, Revision, RevisionNo,
        RevisionPurpose, RevisionStatus, ScriptSource, SessionId, StoreId, Timestamp, Worker, WorkerId, WorkerStatus,
    },
    link::{EndReport, FromWorker, Hello, ToWorker},
    manager::{Action, Answer, Input, Loaded, Manager, ManagerConfig, Query},
    plan::{self, Config, Refill},
    scheduler::DefaultScheduler,
    store::{ActivityCounters, ActivityRecord, IdSequences, QueueCursor, QueuePage, RevisionCounters, Snapshot},
};

use super::Bench;
use crate::{
    process,
    table::{Table, Target},
};

const WORKERS: u64 = 10_000;
const ACTIVITY: ActivityId = ActivityId(1);
const REVISION: RevisionNo = RevisionNo(1);
/// How many ends come before the manager is told that there is nothing more at the moment.
const ROUND: usize = 2048;

/// Every execution is claimed, assigned, ended and written; only the store and the workers are not there.
pub(super) fn measure(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let count = bench.options.scaled(1_000_000) as u64;
    let before = process::resident(std::process::id());
    let mut cluster = Cluster::new(count);
    cluster.connect();
    let mut most = 0;
    let mut next_look = Duration::ZERO;
    let begin = Instant::now();
    while cluster.ended < count {
        cluster.round()?;
        if begin.elapsed() >= next_look {
            most = most.max(process::resident(std::process::id()));
            next_look = begin.elapsed() + Duration::from_millis(50);
        }
        ensure!(begin.elapsed() < Duration::from_secs(600), "{} of {count} ended after ten minutes", cluster.ended);
    }
    let took = begin.elapsed().as_secs_f64();
    let name = format!("planner: {count} executions on {WORKERS} workers");
    let limit = 5.0 * count as f64 / 1e6;
    table.value(&name, took, "s", Target::Below(limit));
    table.value("  its memory", most.saturating_sub(before) as f64 / 1e6, "MB", Target::Below(200.0));
    table.value("  rows written", cluster.rows as f64 / count as f64, "per execution", Target::None);
    Ok(())
}

/// The manager, with the least that stands in for what is around it.
struct Cluster {
    manager: Manager,
    now: Timestamp,
    count: u64,
    /// What was started and is to end, in order.
    running: VecDeque<(WorkerId, SessionId, AttemptKey)>,
    /// The workers of the links.
    workers: HashMap<SessionId, WorkerId>,
    ended: u64,
    rows: u64,
}

impl Cluster {
    fn new(count: u64) -> Self {
        let now = Timestamp(1_800_000_000_000);
        let config = Config {
            backend: "test".into(),
            store: StoreId(uuid::Uuid::from_u128(1)),
            epoch: Epoch(1),
            limits: Limits { slots: 1, ..Limits::default() },
            launch_timeout: Millis::from_secs(600),
            capabilities: pod_core::provisioner::Capabilities::default(),
            scheduler: Arc::new(DefaultScheduler),
            window: pod_core::plan::Window::default(),
            oldest_version: pod_core::link::OLDEST_VERSION,
        };
        let config = ManagerConfig { plan: config, workers_stay: true };
        let loaded = Loaded { epoch: Epoch(1), snapshot: snapshot(count, now), boot: None };
        let manager = Manager::new(config, loaded, now);
        Self { manager, now, count, running: VecDeque::new(), workers: HashMap::new(), ended: 0, rows: 0 }
    }

    /// Every worker says hello.
    fn connect(&mut self) {
        for worker in 1..=WORKERS {
            let session = self.manager.next_session();
            let hello = Box::new(Hello {
                store: Some(StoreId(uuid::Uuid::from_u128(1))),
                worker: Some(WorkerId(worker)),
                installed: vec![(ACTIVITY, REVISION)],
                ..Hello::new(worker, 1)
            });
            self.workers.insert(session, WorkerId(worker));
            self.hand_in(Input::Happened(plan::Input::Hello { hello, session, anyone: false }));
        }
        self.settle();
    }

    /// What runs ends, and what follows from it is done.
    fn round(&mut self) -> Result<()> {
        self.now = self.now + Millis(5);
        let ending = ROUND.min(self.running.len());
        for (worker, session, key) in self.running.drain(..ending).collect::<Vec<_>>() {
            let report = EndReport {
                key,
                started_at: Some(self.now - Millis(100)),
                ended_at: self.now,
                end: AttemptOutcome::Exited(0),
                stdout: Bytes::new(),
                stdout_from: 0,
                stderr: Bytes::new(),
                stderr_from: 0,
                order: Bytes::new(),
                order_from: 0,
            };
            let messages = vec![FromWorker::Ended(Box::new(report))];
            self.hand_in(Input::Said { worker, session, messages });
        }
        self.ended += ending as u64;
        self.settle();
        ensure!(
            !self.running.is_empty() || self.ended == self.count,
            "nothing runs, and {} are left",
            self.count - self.ended
        );
        Ok(())
    }

    /// Until there is nothing more to do at the moment.
    fn settle(&mut self) {
        loop {
            self.hand_in(Input::Drained);
            // What lingers in the hope of more closes when its time has come.
            match self.manager.next_deadline() {
                Some(due) if due.since(Age(self.now.0)) <= Millis(10) => {
                    self.now = self.now.max(Timestamp(due.0));
                    self.hand_in(Input::Tick);
                }
                _ => return,
            }
        }
    }

    fn hand_in(&mut self, input: Input) {
        self.manager.handle(input, self.now);
        while let Some(action) = self.manager.poll() {
            match action {
                Action::Commit(batch) => {
                    self.rows += batch.changes.len() as u64;
                    self.manager.handle(Input::Committed(Ok(())), self.now);
                }
                Action::Read(query) => {
                    let answer = answer(query, self.count);
                    self.manager.handle(Input::Read(answer), self.now);
                }
                Action::Send(session, ToWorker::Start(order)) => {
                    self.running.push_back((self.workers[&session], session, order.key));
                }
                _ => {}
            }
        }
    }
}

/// What a store would answer.
fn answer(query: Query, count: u64) -> Answer {
    match query {
        Query::Queue(Refill { after, limit, .. }) => Answer::Queue(Ok(claim(after, limit as u64, count))),
        Query::Rows { .. } => Answer::Rows(Ok(Box::default())),
        Query::Expired { .. } => Answer::Expired(Ok(Vec::new())),
        Query::Room => Answer::Room(true),
    }
}

/// The next of the queue, which needs no memory since all of them are alike.
fn claim(after: QueueCursor, limit: u64, count: u64) -> QueuePage {
    let first = after.id.0 + 1;
    let last = count.min(after.id.0 + limit);
    let executions = (first..=last).map(execution).collect();
    QueuePage { executions, next: (last < count).then_some(Age(0)) }
}

fn execution(id: u64) -> Execution {
    Execution::waiting(ExecutionId(id), ACTIVITY, RevisionNo(1), Some("input".into()), Timestamp(0))
}

fn snapshot(count: u64, now: Timestamp) -> Snapshot {
    let name = ActivityName::new("planned").unwrap_or_else(|_| unreachable!("a valid name"));
    let activity = Activity {
        id: ACTIVITY,
        name: name.clone(),
        created_at: now,
        status: ActivityStatus::Approved,
        revision: REVISION,
        latest: REVISION,
        source: ScriptSource::Inline,
        settings: ActivitySettings::default(),
        error: None,
        sha256: Some("0".into()),
    };
    let revision = Revision {
        activity: ACTIVITY,
        no: REVISION,
        created_at: now,
        source: ScriptSource::Inline,
        settings: ActivitySettings::default(),
        status: RevisionStatus::Approved,
        error: None,
        sha256: Some("0".into()),
        purpose: RevisionPurpose::Put,
    };
    let revision_tally = RevisionCounters { activity: ACTIVITY, revision: REVISION, waiting: count, kept: count };
    let counters =
        ActivityCounters { activity: ACTIVITY, executions: [count, 0, 0, 0, 0, 0], recent_durations: Vec::new() };
    let worker = |id| Worker {
        id: WorkerId(id),
        status: WorkerStatus::Ready,
        slots: 1,
        draining: false,
        created_at: now,
        ready_at: Some(now),
        last_seen: Some(now),
        last_worked: None,
        ended_at: None,
        gone: None,
        reason: None,
        destroy_error: None,
        backend: None,
        host: None,
        self_registered: false,
        isolation: pod_core::domain::Isolation::Worker,
        incarnation: Some(id),
    };
    let installation = |id| Installation {
        worker: WorkerId(id),
        activity: ACTIVITY,
        revision: REVISION,
        status: InstallationStatus::Installed,
        error: None,
        changed_at: now,
        tries: 1,
        retry_at: None,
    };
    Snapshot {
        clock: None,
        newest_submitted: None,
        id_sequences: IdSequences {
            activity: 1,
            execution: count,
            worker: WORKERS,
            policy: 1,
            event: 0,
            session: 0,
            disordered: 0,
        },
        activities: vec![ActivityRecord {
            activity,
            revisions: vec![revision],
            revision_counters: vec![revision_tally],
            counters,
        }],
        activity_names: vec![(ACTIVITY, "planned".into())],
        installations: (1..=WORKERS).map(installation).collect(),
        workers: (1..=WORKERS).map(worker).collect(),
        running: Vec::new(),
        policies: vec![Policy {
            id: PolicyId(1),
            name,
            rules: [("fixedWorkers".to_owned(), WORKERS.to_string())].into(),
        }],
        active_policy: PolicyId(1),
        minutes: Vec::new(),
    }
}

//! A manager whose in-memory store answers at once, and refuses when it is told to.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures::FutureExt;

use crate::{
    api::{Limits, Registration, Request},
    domain::{
        ActivityId, Age, AttemptKey, AttemptOutcome, Epoch, Millis, NewActivity, NewExecution, RevisionNo, SessionId,
        Timestamp, WorkerId,
    },
    engine::read,
    link::{AttemptReport, EndReport, FromWorker, Hello, InstallOutcome, ToWorker},
    manager::{Action, Asked, Input, Loaded, Manager, ManagerConfig},
    plan::{self, Config, ReplyId, StoredContext, Window},
    provisioner::Capabilities,
    scheduler::DefaultScheduler,
    store::{Batch, Holder, MemoryStore, Store, StoreError},
};

pub(super) struct Harness {
    pub(super) manager: Manager,
    pub(super) now: Age,
    store: MemoryStore,
    replies: u64,
    workers: HashMap<SessionId, WorkerId>,
    refusal: Option<StoreError>,
}

impl Harness {
    pub(super) fn new(workers_stay: bool) -> Self {
        Self::with(workers_stay, Window::default())
    }

    fn with(workers_stay: bool, window: Window) -> Self {
        let (store, now) = (MemoryStore::new(), Age(1_000_000));
        let plan = Config {
            store: store.id(),
            epoch: Epoch(0),
            limits: Limits::default(),
            backend: "test".into(),
            launch_timeout: Millis::from_secs(600),
            capabilities: Capabilities::default(),
            scheduler: Arc::new(DefaultScheduler),
            window,
            oldest_version: crate::link::OLDEST_VERSION,
        };
        let loaded = load(&store);
        let manager = Manager::new(ManagerConfig { plan, workers_stay }, loaded, now);
        let mut rig = Self { manager, now, store, replies: 0, workers: HashMap::new(), refusal: None };
        rig.settle();
        rig
    }

    /// With an activity `a`, which no worker has installed, and nothing to do.
    pub(super) fn with_activity() -> Self {
        Self::with_window(Window::default())
    }

    /// The same, and holds so much of its queue in memory.
    pub(super) fn with_window(window: Window) -> Self {
        let mut rig = Self::with(true, window);
        let new = NewActivity::script("a", "cp /bin/true main.sh");
        rig.ask(Request::CreateActivity { new, registration: Registration::Create });
        rig.settle();
        rig
    }

    pub(super) fn pass(&mut self, time: Millis) {
        self.now = self.now + time;
    }

    pub(super) fn hand_in(&mut self, input: Input) {
        self.manager.handle(input, self.now);
    }

    pub(super) fn ask(&mut self, request: Request) -> ReplyId {
        self.replies += 1;
        let reply = ReplyId(self.replies);
        let found = Box::new(StoredContext { sha256: Some("ab".into()), ..StoredContext::default() });
        self.hand_in(Input::Request(Box::new(Asked { request, reply, found })));
        reply
    }

    /// A link says hello.
    pub(super) fn arrive(&mut self, hello: Hello) -> SessionId {
        let session = self.manager.next_session();
        self.hand_in(Input::Happened(plan::Input::Hello { hello: Box::new(hello), session, anyone: true }));
        session
    }

    /// A worker that nobody created dials in.
    pub(super) fn connect(&mut self) -> SessionId {
        self.arrive(hello())
    }

    /// A worker says hello again, to whichever manager there is.
    pub(super) fn reconnect(&mut self, worker: WorkerId, attempts: Vec<AttemptReport>) -> SessionId {
        let installed = vec![(ActivityId(1), RevisionNo(1))];
        self.arrive(Hello { worker: Some(worker), attempts, installed, ..hello() })
    }

    /// Another manager takes over.
    pub(super) fn replace_manager(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = self.manager.config.clone();
        change(&mut config.plan);
        self.manager = Manager::new(config, load(&self.store), self.now);
        self.settle();
    }

    /// A worker has installed the activity.
    pub(super) fn install(&mut self, session: SessionId) {
        let worker = self.worker_of(session);
        let (activity, revision, outcome) = (ActivityId(1), RevisionNo(1), InstallOutcome::Installed);
        let messages = vec![FromWorker::InstallEnded { activity, revision, outcome }];
        self.hand_in(Input::Said { worker, session, messages });
        self.settle();
    }

    pub(super) fn worker_of(&self, session: SessionId) -> WorkerId {
        self.workers[&session]
    }

    pub(super) fn poll(&mut self) -> Option<Action> {
        let action = self.manager.poll()?;
        if let Action::Admit(session, worker) = action {
            self.workers.insert(session, worker);
        }
        Some(action)
    }

    /// The store does not take the next batch.
    pub(super) fn refuse_next(&mut self, error: StoreError) {
        self.refusal = Some(error);
    }

    pub(super) fn commit(&mut self, batch: &Arc<Batch>) {
        let outcome = match self.refusal.take() {
            Some(error) => Err(error),
            None => self.store.commit(batch.clone()).now_or_never().unwrap(),
        };
        self.hand_in(Input::Committed(outcome));
    }

    /// Lets the lease last from now on, as if it had just been renewed.
    pub(super) fn keep_lease(&mut self) {
        self.hand_in(Input::Renewed(self.manager.config.plan.epoch, Ok(())));
    }

    /// Lets the store answer, where it is asked.
    pub(super) fn answer(&mut self, action: Action) {
        match action {
            Action::Commit(batch) => self.commit(&batch),
            Action::Read(query) => {
                let answer = read(&self.store, query).now_or_never().unwrap();
                self.hand_in(Input::Read(answer));
            }
            Action::Load => {
                let loaded = load(&self.store);
                self.hand_in(Input::Loaded(Ok(Box::new(loaded))));
            }
            _ => {}
        }
    }

    /// Goes on until nothing but time is left to wait for, a tenth of a second at most. Gives what was done.
    pub(super) fn settle(&mut self) -> Vec<Action> {
        let mut done = Vec::new();
        let until = self.now + Millis(100);
        loop {
            self.hand_in(Input::Drained);
            while let Some(action) = self.poll() {
                let seen = match &action {
                    Action::Commit(batch) => Action::Commit(batch.clone()),
                    Action::Read(query) => Action::Read(query.clone()),
                    _ => Action::Load,
                };
                match action {
                    Action::Commit(_) | Action::Read(_) | Action::Load => {
                        self.answer(action);
                        done.push(seen);
                    }
                    action => done.push(action),
                }
            }
            match self.manager.next_deadline() {
                Some(due) if due <= until => {
                    self.now = self.now.max(due);
                    self.hand_in(Input::Tick);
                }
                _ => return done,
            }
        }
    }
}

fn load(store: &MemoryStore) -> Loaded {
    let acquired = store.acquire(&Holder::new("manager"), Millis(10_000)).now_or_never().unwrap().unwrap();
    let lease = acquired.acquired().unwrap();
    let snapshot = store.load().now_or_never().unwrap().unwrap();
    Loaded { epoch: lease.epoch, snapshot, boot: None }
}

pub(super) fn submit() -> Request {
    Request::Submit(NewExecution::new("a"))
}

/// The first attempt that was given out.
pub(super) fn started(seen: &[Action]) -> Option<AttemptKey> {
    seen.iter().find_map(|action| match action {
        Action::Send(_, ToWorker::Start(order)) => Some(order.key),
        _ => None,
    })
}

/// The end of an attempt with exit code 0.
pub(super) fn ended(key: AttemptKey) -> FromWorker {
    FromWorker::Ended(Box::new(EndReport {
        key,
        started_at: Some(Timestamp(1)),
        ended_at: Timestamp(2),
        end: AttemptOutcome::Exited(0),
        stdout: Bytes::new(),
        stdout_from: 0,
        stderr: Bytes::new(),
        stderr_from: 0,
        order: Bytes::new(),
        order_from: 0,
    }))
}

/// The first hello of a worker that nobody created.
pub(super) fn hello() -> Hello {
    Hello::new(7, 1)
}

//! What the task of the engine shares with its handle and with the links.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{clock::Clock, payloads::Payloads, subscriptions::Subscriptions};
use crate::{
    api::PodError,
    domain::{AttemptKey, Boot, Millis, Now, WorkerId},
    fetcher::ScriptFetcher,
    observe::Observer,
    store::{Holder, Snapshot, Store, StoreError},
};

/// A store that is away for so long is told to callers, instead of letting them wait.
const SILENT_TROUBLE: Duration = Duration::from_secs(2);

/// Shared by the handle, the task and the links. Nothing here is held across an `await`.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(super) fetch: Option<Arc<dyn ScriptFetcher>>,
    pub(super) observer: Arc<dyn Observer>,
    /// Each that follows something holds one.
    pub(super) followers: Arc<()>,
    /// Which worker may report on which attempt, as committed.
    open: Mutex<HashMap<AttemptKey, WorkerId>>,
    pub(super) topics: Arc<Subscriptions>,
    /// What workers pull.
    pub(super) payloads: Payloads,
    pub(super) newest_event: watch::Sender<u64>,
    /// Since when, and why, the store does not take anything.
    trouble: Mutex<Option<(Instant, Arc<str>)>>,
    /// Why the task has ended, once it has.
    pub(super) ended: watch::Sender<Option<PodError>>,
    /// Asks the task to end.
    pub(super) closing: CancellationToken,
    /// How long what runs in workers that end with the engine may go on then.
    pub(super) leave_within: watch::Sender<Duration>,
    /// Cancelled when the task has ended: links and everything else end with it.
    pub(super) stop: CancellationToken,
    /// Everything that runs for the engine.
    pub(super) tasks: TaskTracker,
    /// Archives are looked into a few at a time: each takes a processor for as long as it lasts.
    pub(super) archives: Arc<Semaphore>,
    /// How long workers that leave may take beyond their time to end what runs.
    pub(super) grace: Millis,
    /// As whom it holds the lease of the store.
    pub(crate) holder: Holder,
    pub(crate) lease_ttl: Millis,
    clock: Clock,
}

/// How many archives are looked into at a time.
const ARCHIVES: usize = 4;

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("store", &self.store)
            .field("ended", &*self.ended.borrow())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        fetch: Option<Arc<dyn ScriptFetcher>>,
        observer: Arc<dyn Observer>,
        grace: Millis,
        (holder, lease_ttl): (Holder, Millis),
    ) -> Self {
        Self {
            store,
            fetch,
            observer,
            followers: Arc::default(),
            open: Mutex::default(),
            topics: Arc::default(),
            payloads: Payloads::default(),
            newest_event: watch::Sender::new(0),
            trouble: Mutex::default(),
            ended: watch::Sender::new(None),
            closing: CancellationToken::new(),
            leave_within: watch::Sender::new(Duration::MAX),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            archives: Arc::new(Semaphore::new(ARCHIVES)),
            grace,
            holder,
            lease_ttl,
            clock: Clock::new(),
        }
    }

    /// Asks the task to end; what runs in workers that end with it may go on for so long. The shortest time counts.
    pub(super) fn close(&self, within: Duration) {
        self.leave_within.send_if_modified(|time| {
            let shorter = within < *time;
            *time = within.min(*time);
            shorter
        });
        self.closing.cancel();
    }

    /// A token that is cancelled when the engine has ended.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Runs something for the engine.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Both times.
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// The start of the machine that ages are counted from.
    pub(super) fn boot(&self) -> Option<Boot> {
        self.clock.boot()
    }

    /// Goes on with the age that a store knows. Leaves there whether it is known what passed since.
    pub(crate) fn go_on(&self, snapshot: &mut Snapshot) {
        if let Some(mark) = &mut snapshot.clock
            && !self.clock.go_on(*mark)
        {
            mark.boot = None;
        }
    }

    /// Whether that attempt is open, on that worker.
    pub(super) fn is_open(&self, key: AttemptKey, worker: WorkerId) -> bool {
        self.lock_open().get(&key) == Some(&worker)
    }

    /// Takes over what a committed round changed. What was closed goes first: the number of an attempt that was taken
    /// back is used again, perhaps in the same round.
    pub(super) fn attempts_changed(&self, closed: &[AttemptKey], opened: &[(AttemptKey, WorkerId)]) {
        if closed.is_empty() && opened.is_empty() {
            return;
        }
        let mut open = self.lock_open();
        for key in closed {
            open.remove(key);
        }
        open.extend(opened.iter().copied());
    }

    /// Replaces all open attempts.
    pub(super) fn attempts_loaded(&self, attempts: impl Iterator<Item = (AttemptKey, WorkerId)>) {
        *self.lock_open() = attempts.collect();
    }

    fn lock_open(&self) -> std::sync::MutexGuard<'_, HashMap<AttemptKey, WorkerId>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store does not take anything, or does again.
    pub(super) fn set_trouble(&self, why: Option<Arc<str>>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *trouble = why.map(|why| (trouble.as_ref().map_or_else(Instant::now, |(since, _)| *since), why));
    }

    /// Why requests are refused at the moment, if they are.
    pub(super) fn refusal(&self) -> Option<PodError> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, why) = trouble.as_ref()?;
        (since.elapsed() >= SILENT_TROUBLE).then(|| PodError::Store(StoreError::Unavailable(why.clone())))
    }

    /// Why the task has ended.
    pub(super) fn end_reason(&self) -> PodError {
        self.ended.borrow().clone().unwrap_or(PodError::Stopped)
    }

    /// Notes that the task has ended. The first reason counts.
    pub(crate) fn end(&self, reason: PodError) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some(reason);
            }
            first
        });
        self.stop.cancel();
    }
}

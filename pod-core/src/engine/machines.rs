//! What is asked of the provisioner: of one worker one thing at a time, of different workers independently.
//!
//! A worker that is not wanted any more while it is being created is not waited for: its creation is given up, and what
//! came of it is destroyed. Creations and destructions each have a limit of their own, so that slow ones of one kind do
//! not hold up the other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{later::later, message::Message, shared::Shared};
use crate::{
    domain::{Isolation, Millis, StoreId, WorkerId},
    plan::{Config, Input},
    provisioner::{ProvisionError, Provisioner, WorkerSpec},
};

/// How many workers are created at a time at most, and how many are destroyed.
const AT_A_TIME: usize = 16;
/// A worker that is not destroyed within this time is destroyed anew.
const DESTROYED_WITHIN: Duration = Duration::from_secs(600);

/// Asks the provisioner.
pub(super) struct Machines {
    shared: Arc<Shared>,
    /// Where its answers go.
    inbox: mpsc::Sender<Message>,
    provisioner: Arc<dyn Provisioner>,
    store: StoreId,
    slots: u32,
    creating: Arc<Semaphore>,
    destroying: Arc<Semaphore>,
    calls: Arc<Calls>,
}

/// What is under way.
#[derive(Default)]
struct Calls(Mutex<HashMap<WorkerId, Call>>);

/// What the provisioner was asked about a worker and has not answered.
enum Call {
    Create {
        /// Gives it up.
        cancel: CancellationToken,
        /// Cancelled when it is over.
        over: CancellationToken,
    },
    Destroy,
}

/// Ends a call when it is dropped, whatever came of it, a panic included.
struct Underway {
    calls: Arc<Calls>,
    worker: WorkerId,
    /// Of a creation.
    over: Option<CancellationToken>,
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut calls = self.calls.lock();
        let creates = matches!(calls.get(&self.worker), Some(Call::Create { .. }));
        // A destruction may have taken the place of a creation.
        if self.over.is_some() == creates {
            calls.remove(&self.worker);
        }
        if let Some(over) = &self.over {
            over.cancel();
        }
    }
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machines {
    pub(super) fn new(
        shared: Arc<Shared>,
        inbox: mpsc::Sender<Message>,
        provisioner: Arc<dyn Provisioner>,
        config: &Config,
    ) -> Self {
        Self {
            shared,
            inbox,
            provisioner,
            store: config.store,
            slots: config.limits.slots,
            creating: Arc::new(Semaphore::new(AT_A_TIME)),
            destroying: Arc::new(Semaphore::new(AT_A_TIME)),
            calls: Arc::default(),
        }
    }

    pub(super) fn provisioner(&self) -> Arc<dyn Provisioner> {
        self.provisioner.clone()
    }

    /// Creates a worker, unless something else of it is under way.
    pub(super) fn create(&self, worker: WorkerId, isolation: Isolation) {
        let (cancel, over) = (CancellationToken::new(), CancellationToken::new());
        {
            let mut calls = self.calls.lock();
            if calls.contains_key(&worker) {
                return;
            }
            calls.insert(worker, Call::Create { cancel: cancel.clone(), over: over.clone() });
        }
        let (provisioner, calls, room) = (self.provisioner.clone(), self.calls.clone(), self.creating.clone());
        let spec = WorkerSpec { store: self.store, slots: self.slots, isolation };
        let crashed = move |why| Input::Created { worker, result: Err(ProvisionError::new(why)) };
        later(&self.shared, &self.inbox, crashed, async move {
            let underway = Underway { calls, worker, over: Some(over) };
            let created = async {
                // Never closed.
                let _permit = room.acquire().await;
                provisioner.create(worker, &spec).await
            };
            let result = cancel.run_until_cancelled(created).await;
            drop(underway);
            // Nobody waits for the answer of one that was given up.
            result.map(|result| Input::Created { worker, result })
        });
    }

    /// Destroys a worker, unless that is under way. One that is still being created is not created any further.
    pub(super) fn destroy(&self, worker: WorkerId) {
        let creation = match self.calls.lock().insert(worker, Call::Destroy) {
            Some(Call::Destroy) => return,
            Some(Call::Create { cancel, over }) => {
                cancel.cancel();
                Some(over)
            }
            None => None,
        };
        let (provisioner, calls, room) = (self.provisioner.clone(), self.calls.clone(), self.destroying.clone());
        let crashed = move |why| Input::Destroyed { worker, result: Err(why) };
        later(&self.shared, &self.inbox, crashed, async move {
            let underway = Underway { calls, worker, over: None };
            if let Some(over) = creation {
                over.cancelled().await;
            }
            // Never closed.
            let _permit = room.acquire().await;
            let result = match timeout(DESTROYED_WITHIN, provisioner.destroy(worker)).await {
                Ok(result) => result.map_err(|error| error.message),
                Err(_) => Err(format!("it was not destroyed within {}", Millis::from(DESTROYED_WITHIN))),
            };
            // Before the answer is told, after which it may be asked for again.
            drop(underway);
            Some(Input::Destroyed { worker, result })
        });
    }

    /// Lists the workers that there are.
    pub(super) fn list(&self) {
        let provisioner = self.provisioner.clone();
        later(&self.shared, &self.inbox, |_| Input::Tick, async move {
            match provisioner.list().await {
                Ok(workers) => Some(Input::Listed(workers)),
                Err(error) => {
                    tracing::warn!("workers could not be listed and are listed again later: {error}");
                    None
                }
            }
        });
    }
}

//! Makes output durable from time to time, and tells the worker up to where it is, so that it sends on.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::AttemptKey,
    link::ToWorker,
    store::{DurableOffsets, Store},
};

/// So much output is made durable at once.
const SYNC_BYTES: usize = 256 << 10;
/// Less is made durable after so long.
const SYNC_INTERVAL: Duration = Duration::from_millis(50);

/// What was taken and is not acknowledged yet. Runs beside the reading, so that a link is read while a disk syncs.
#[derive(Debug, Default)]
pub(super) struct Acks {
    taken: Mutex<Taken>,
    some: Notify,
    much: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    attempts: HashSet<AttemptKey>,
}

impl Acks {
    /// Notes output that the store took.
    pub(super) fn took(&self, key: AttemptKey, bytes: usize) {
        let mut taken = self.lock();
        let first = taken.attempts.is_empty();
        taken.attempts.insert(key);
        taken.bytes += bytes;
        if first {
            self.some.notify_one();
        }
        if taken.bytes >= SYNC_BYTES {
            self.much.notify_one();
        }
    }

    /// The end of an attempt makes its output durable by itself.
    pub(super) fn ended(&self, key: AttemptKey) {
        self.lock().attempts.remove(&key);
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs and acknowledges until the link ends.
    pub(super) async fn run(
        self: Arc<Self>,
        store: Arc<dyn Store>,
        outbox: mpsc::Sender<ToWorker>,
        cancel: CancellationToken,
    ) {
        let work = async {
            loop {
                self.some.notified().await;
                let _ = timeout(SYNC_INTERVAL, self.much.notified()).await;
                let attempts = mem::take(&mut *self.lock()).attempts;
                for key in attempts {
                    self.acknowledge(&*store, &outbox, key).await;
                }
            }
        };
        cancel.run_until_cancelled(work).await;
    }

    async fn acknowledge(&self, store: &dyn Store, outbox: &mpsc::Sender<ToWorker>, key: AttemptKey) {
        match store.sync_output(key).await {
            // What is small becomes durable with the end of its attempt.
            Ok(DurableOffsets { stdout: 0, stderr: 0, interleaving: 0 }) => {}
            Ok(DurableOffsets { stdout, stderr, interleaving: order }) => {
                if outbox.try_send(ToWorker::OutputAck { key, stdout, stderr, order }).is_err() {
                    // Its orders have the right of way.
                    self.took(key, 0);
                }
            }
            Err(error) => {
                tracing::warn!(attempt = %key, "output could not be made durable and is tried again: {error}");
                self.took(key, 0);
            }
        }
    }
}

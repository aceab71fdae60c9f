//! Payloads for the workers that pull them: read once, encoded once, and sent over many links.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::{
    domain::{ActivityId, RevisionNo},
    link::{FrameError, PIECE_LEN, PayloadFrames},
    store::{Store, StoreError},
};

type Key = (ActivityId, RevisionNo);

/// What was read is filled in by the first link that asks for it; the others wait for that one.
type Slot = Arc<OnceCell<PayloadFrames>>;

/// How many payloads are kept at most.
const MAX_KEPT: usize = 64;
/// How many bytes of them are kept: four of the longest, and many of the usual ones.
const MAX_KEPT_BYTES: u64 = 128 << 20;

/// The payloads that were asked for last, the newest first.
#[derive(Debug, Default)]
pub(super) struct Payloads(Mutex<VecDeque<(Key, Slot)>>);

impl Payloads {
    /// The frame with the piece at that offset; none beyond the end, or where the revision is gone.
    pub(super) async fn frame(&self, store: &dyn Store, key: Key, offset: u64) -> Result<Option<Bytes>, StoreError> {
        let slot = self.slot(key);
        let read = async || {
            let payload = store.payload(key.0, key.1).await.map_err(Some)?.ok_or(None)?;
            PayloadFrames::new(key.0, key.1, &payload, PIECE_LEN).map_err(|error| Some(unsendable(error)))
        };
        match slot.get_or_try_init(read).await {
            Ok(frames) => frames.at(offset).map_err(unsendable),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    fn slot(&self, key: Key) -> Slot {
        let mut kept = lock(&self.0);
        let slot = match kept.iter().position(|(other, _)| *other == key).and_then(|at| kept.remove(at)) {
            Some((_, slot)) => slot,
            None => Slot::default(),
        };
        kept.truncate(MAX_KEPT - 1);
        kept.push_front((key, slot.clone()));
        let mut bytes = 0;
        let fitting = kept.iter().take_while(|(_, slot)| {
            bytes += slot.get().map_or(0, PayloadFrames::total);
            bytes <= MAX_KEPT_BYTES
        });
        let fitting = fitting.count().max(1);
        kept.truncate(fitting);
        slot
    }
}

/// What was offered to a worker over one link: of nothing else it gets the payload.
#[derive(Debug, Default)]
pub(super) struct Offered(Mutex<BTreeSet<Key>>);

impl Offered {
    pub(super) fn insert(&self, key: Key) {
        lock(&self.0).insert(key);
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        lock(&self.0).contains(&key)
    }
}

fn unsendable(error: FrameError) -> StoreError {
    StoreError::conflict(format!("a payload cannot be sent: {error}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

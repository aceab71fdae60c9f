//! The waiting executions of one activity: a window in memory, the rest in the store.
//!
//! Everything at or before `cursor` is in the window; what comes later is in the store only. Memory therefore follows
//! the capacity of the fleet, and a retry, a requeue and a new submit are one case: a key that is inserted when it
//! lies before the cursor, and counted otherwise.

use std::collections::BTreeMap;

use crate::{
    domain::{Execution, ExecutionId, Timestamp},
    store::{Claimed, QueueKey},
};

/// The queue of one activity.
#[derive(Clone, Debug)]
pub struct Queue {
    window: BTreeMap<QueueKey, Execution>,
    cursor: QueueKey,
    /// Nothing waits behind the cursor.
    complete: bool,
    waiting: u64,
}

impl Queue {
    /// A queue of which so many executions wait in the store.
    #[must_use]
    pub fn stored(waiting: u64) -> Self {
        Self { window: BTreeMap::new(), cursor: QueueKey::START, complete: waiting == 0, waiting }
    }

    /// How many wait, in memory and in the store.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// How many are in memory.
    #[must_use]
    pub fn in_memory(&self) -> usize {
        self.window.len()
    }

    /// Takes a new or returning execution; keeps at most `room` in memory.
    pub fn insert(&mut self, execution: Execution, room: usize) {
        self.waiting += 1;
        let key = key_of(&execution);
        if !self.complete && key > self.cursor {
            return;
        }
        if self.complete {
            if self.window.len() >= room && self.window.last_key_value().is_some_and(|(last, _)| key > *last) {
                self.complete = false;
                return;
            }
            self.cursor = self.cursor.max(key);
        }
        self.window.insert(key, execution);
        if self.window.len() > room {
            self.window.pop_last();
            self.complete = false;
            self.cursor = self.window.last_key_value().map_or(QueueKey::START, |(last, _)| *last);
        }
    }

    /// The first one, when it is due.
    #[must_use]
    pub fn first_due(&self, now: Timestamp) -> Option<&Execution> {
        self.window.first_key_value().filter(|(key, _)| key.not_before <= now).map(|(_, execution)| execution)
    }

    /// How many in memory are due, counted up to `limit`.
    #[must_use]
    pub fn due(&self, now: Timestamp, limit: usize) -> usize {
        self.window.keys().take(limit).take_while(|key| key.not_before <= now).count()
    }

    /// When the first one in memory is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.window.first_key_value().map(|(key, _)| key.not_before)
    }

    /// Takes the first one out, due or not.
    pub fn pop(&mut self) -> Option<Execution> {
        let (_, execution) = self.window.pop_first()?;
        self.waiting -= 1;
        Some(execution)
    }

    /// Takes one out, wherever it waits: `stored` is what the store holds of it.
    pub fn remove(&mut self, stored: Execution) -> Execution {
        self.waiting = self.waiting.saturating_sub(1);
        self.window.remove(&key_of(&stored)).unwrap_or(stored)
    }

    /// One in memory, with how many are before it.
    #[must_use]
    pub fn position(&self, id: ExecutionId) -> Option<(u64, &Execution)> {
        let (place, execution) = self.window.values().enumerate().find(|(_, execution)| execution.id == id)?;
        Some((place as u64, execution))
    }

    /// Where to go on reading in the store, when the window runs low.
    #[must_use]
    pub fn wants(&self, room: usize) -> Option<(QueueKey, usize)> {
        (!self.complete && self.window.len() < room.div_ceil(2))
            .then(|| (self.cursor, room.saturating_sub(self.window.len()).max(1)))
    }

    /// Takes what the store held behind the cursor. Nothing may have been committed since it was read.
    pub fn refill(&mut self, claimed: Claimed) {
        self.complete = claimed.next.is_none();
        for execution in claimed.executions {
            let key = key_of(&execution);
            self.cursor = self.cursor.max(key);
            self.window.insert(key, execution);
        }
    }
}

fn key_of(execution: &Execution) -> QueueKey {
    QueueKey { not_before: execution.not_before, id: execution.id }
}

//! The waiting executions of one activity: a window in memory, the rest in the store.
//!
//! Everything up to some key is in the window; what comes later is in the store only. Memory therefore follows the
//! capacity of the fleet, and a retry, a requeue and a new submit are one case: a key that is inserted when it lies
//! within the window's extent, and counted otherwise.

use std::collections::BTreeMap;

use crate::{
    domain::{Age, Execution, ExecutionId},
    store::{QueueCursor, QueuePage},
};

/// The queue of one activity.
#[derive(Clone, Debug)]
pub struct Queue {
    window: BTreeMap<QueueCursor, Execution>,
    extent: Extent,
    waiting: u64,
}

/// How much of the queue is in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// All of it.
    Whole,
    /// What lies at or before this key, and nothing else.
    UpTo(QueueCursor),
}

impl Queue {
    /// A queue of which so many executions wait in the store.
    #[must_use]
    pub fn stored(waiting: u64) -> Self {
        let extent = if waiting == 0 { Extent::Whole } else { Extent::UpTo(QueueCursor::START) };
        Self { window: BTreeMap::new(), extent, waiting }
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
        if matches!(self.extent, Extent::UpTo(last) if key > last) {
            return;
        }
        self.window.insert(key, execution);
        if self.window.len() > room {
            self.window.pop_last();
            self.extent = Extent::UpTo(self.window.last_key_value().map_or(QueueCursor::START, |(last, _)| *last));
        }
    }

    /// The first one in memory, due or not.
    #[must_use]
    pub fn first(&self) -> Option<&Execution> {
        self.window.first_key_value().map(|(_, execution)| execution)
    }

    /// The first one, when it is due.
    #[must_use]
    pub fn first_due(&self, now: Age) -> Option<&Execution> {
        self.window.first_key_value().filter(|(key, _)| key.not_before <= now).map(|(_, execution)| execution)
    }

    /// How many in memory are due, counted up to `limit`.
    #[must_use]
    pub fn due(&self, now: Age, limit: usize) -> usize {
        self.window.keys().take(limit).take_while(|key| key.not_before <= now).count()
    }

    /// When the first one in memory is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Age> {
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
    pub fn wants(&self, room: usize) -> Option<(QueueCursor, usize)> {
        match self.extent {
            Extent::UpTo(last) if self.window.len() < room.div_ceil(2) => {
                Some((last, room.saturating_sub(self.window.len()).max(1)))
            }
            Extent::UpTo(_) | Extent::Whole => None,
        }
    }

    /// Takes what the store held behind the key that [`Queue::wants`] named. Nothing may have been committed since it
    /// was read.
    pub fn refill(&mut self, claimed: QueuePage) {
        let Extent::UpTo(mut last) = self.extent else { return };
        for execution in claimed.executions {
            let key = key_of(&execution);
            last = last.max(key);
            self.window.insert(key, execution);
        }
        self.extent = if claimed.next.is_some() { Extent::UpTo(last) } else { Extent::Whole };
    }
}

fn key_of(execution: &Execution) -> QueueCursor {
    QueueCursor { not_before: execution.not_before, id: execution.id }
}

#[cfg(test)]
mod tests;

//! A queue beside a store, against the plainest one: a sorted set of everything that waits.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::domain::{ActivityId, RevisionNo};

fn waiting(key: QueueCursor) -> Execution {
    Execution {
        not_before: key.not_before,
        ..Execution::waiting(key.id, ActivityId(1), RevisionNo(1), Some(Arc::from("")), Age(0))
    }
}

fn key(not_before: i64, id: u64) -> QueueCursor {
    QueueCursor { not_before: Age(not_before), id: ExecutionId(id) }
}

/// What the store holds, and the queue in front of it.
struct Beside {
    stored: BTreeSet<QueueCursor>,
    queue: Queue,
    room: usize,
}

impl Beside {
    fn new(stored: BTreeSet<QueueCursor>, room: usize) -> Self {
        let queue = Queue::stored(stored.len() as u64);
        Self { stored, queue, room }
    }

    fn insert(&mut self, key: QueueCursor) {
        if self.stored.insert(key) {
            self.queue.insert(waiting(key), self.room);
        }
    }

    /// As the engine does after each round.
    fn read_on(&mut self) {
        while let Some((after, limit)) = self.queue.wants(self.room) {
            let mut behind = self.stored.range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
            let executions = behind.by_ref().take(limit).map(|key| waiting(*key)).collect();
            self.queue.refill(QueuePage { executions, next: behind.next().map(|key| key.not_before) });
        }
    }

    fn pop(&mut self) {
        self.read_on();
        let first = self.queue.pop().map(|execution| key_of(&execution));
        assert_eq!(first, self.stored.pop_first(), "the first of all is the first to go");
    }

    fn remove(&mut self, place: usize) {
        let Some(key) = self.stored.iter().nth(place).copied() else { return };
        self.stored.remove(&key);
        assert_eq!(key_of(&self.queue.remove(waiting(key))), key);
    }
}

#[test]
fn what_comes_after_one_that_was_removed_behind_a_full_window_is_found() {
    let mut beside = Beside::new(BTreeSet::new(), 2);
    beside.insert(key(16_000, 1));
    beside.remove(0);
    for id in 2..=4 {
        beside.insert(key(0, id));
    }
    for _ in 2..=4 {
        beside.pop();
    }
    assert_eq!(beside.queue.waiting(), 0);
}

proptest! {
    #[test]
    fn a_queue_gives_out_everything_in_order(
        stored in prop::collection::btree_set((0i64..20, 1u64..40), 0..12),
        room in 1usize..6,
        actions in prop::collection::vec((0u8..3, 0i64..20, 1u64..40, 0usize..12), 0..60),
    ) {
        let stored = stored.into_iter().map(|(not_before, id)| key(not_before, id)).collect();
        let mut beside = Beside::new(stored, room);
        for (action, not_before, id, place) in actions {
            match action {
                0 => beside.insert(key(not_before, id)),
                1 => beside.pop(),
                _ => beside.remove(place),
            }
            prop_assert_eq!(beside.queue.waiting(), beside.stored.len() as u64);
            prop_assert!(beside.queue.in_memory() <= room);
        }
        while !beside.stored.is_empty() {
            beside.pop();
        }
        beside.read_on();
        prop_assert!(beside.queue.pop().is_none());
    }
}

//! What is going to happen on a machine, in order.

use std::collections::BTreeMap;

/// Things that happen at moments; of one moment, in the order in which they were put in.
#[derive(Debug)]
pub(super) struct Calendar<T> {
    order: u64,
    due: BTreeMap<(i64, u64), T>,
}

impl<T> Default for Calendar<T> {
    fn default() -> Self {
        Self { order: 0, due: BTreeMap::new() }
    }
}

impl<T> Calendar<T> {
    pub(super) fn put(&mut self, at: i64, what: T) {
        self.order += 1;
        self.due.insert((at, self.order), what);
    }

    pub(super) fn next(&self) -> Option<i64> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The first thing that is due by then, with its moment.
    pub(super) fn take(&mut self, now: i64) -> Option<(i64, T)> {
        let first = self.due.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), what) = first.remove_entry();
        Some((at, what))
    }

    /// Everything happens so much later.
    pub(super) fn postpone(&mut self, by: i64) {
        self.due =
            std::mem::take(&mut self.due).into_iter().map(|((at, order), what)| ((at + by, order), what)).collect();
    }
}

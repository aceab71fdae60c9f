//! What the provisioner is asked: of one worker one thing at a time, of different workers independently.
//!
//! A worker that is not wanted any more while it is being created is not waited for: its creation is given up, and what
//! came of it is destroyed. Creations and destructions each have a limit of their own, so that slow ones of one kind do
//! not hold up the other.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::{Isolation, WorkerId};

/// How many workers are created at a time at most, and how many are destroyed.
const AT_A_TIME: usize = 16;

/// What is under way, and what waits for its turn.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: BTreeMap<WorkerId, Call>,
    creations: Turns,
    destructions: Turns,
}

/// What is wanted of a worker that has not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// Its creation waits for its turn.
    ToCreate(Isolation),
    Creating,
    /// Its creation is being given up, and it is destroyed then.
    Abandoning,
    /// Its destruction waits for its turn.
    ToDestroy,
    Destroying,
}

/// Who waits, and how many are under way.
#[derive(Debug, Default)]
struct Turns {
    waiting: VecDeque<WorkerId>,
    under_way: usize,
}

/// What to ask the provisioner now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Create(WorkerId, Isolation),
    AbandonCreation(WorkerId),
    Destroy(WorkerId),
}

impl Calls {
    /// A worker is wanted. Nothing follows while something else of it is under way.
    pub(super) fn create(&mut self, worker: WorkerId, isolation: Isolation) -> Vec<Ask> {
        if self.calls.contains_key(&worker) {
            return Vec::new();
        }
        self.calls.insert(worker, Call::ToCreate(isolation));
        self.creations.waiting.push_back(worker);
        self.next()
    }

    /// A worker is not wanted any more.
    pub(super) fn destroy(&mut self, worker: WorkerId) -> Vec<Ask> {
        match self.calls.get(&worker) {
            Some(Call::ToDestroy | Call::Destroying | Call::Abandoning) => Vec::new(),
            Some(Call::Creating) => {
                self.calls.insert(worker, Call::Abandoning);
                vec![Ask::AbandonCreation(worker)]
            }
            Some(Call::ToCreate(_)) => {
                self.creations.waiting.retain(|other| *other != worker);
                self.begin_to_destroy(worker)
            }
            None => self.begin_to_destroy(worker),
        }
    }

    fn begin_to_destroy(&mut self, worker: WorkerId) -> Vec<Ask> {
        self.calls.insert(worker, Call::ToDestroy);
        self.destructions.waiting.push_back(worker);
        self.next()
    }

    /// The workers that are destroyed, or are going to be.
    pub(super) fn destroyed(&self) -> impl Iterator<Item = WorkerId> {
        let ends = |call: &Call| matches!(call, Call::Abandoning | Call::ToDestroy | Call::Destroying);
        self.calls.iter().filter(move |(_, call)| ends(call)).map(|(worker, _)| *worker)
    }

    /// A creation is over, or what was left of one that was given up. Says whether its outcome is still wanted.
    pub(super) fn creation_over(&mut self, worker: WorkerId) -> (bool, Vec<Ask>) {
        match self.calls.get(&worker) {
            Some(Call::Creating) => {
                self.calls.remove(&worker);
                self.creations.under_way -= 1;
                (true, self.next())
            }
            Some(Call::Abandoning) => {
                self.creations.under_way -= 1;
                (false, self.begin_to_destroy(worker))
            }
            _ => (false, Vec::new()),
        }
    }

    /// A destruction is over. Says whether it was under way.
    pub(super) fn destruction_over(&mut self, worker: WorkerId) -> (bool, Vec<Ask>) {
        if self.calls.get(&worker) != Some(&Call::Destroying) {
            return (false, Vec::new());
        }
        self.calls.remove(&worker);
        self.destructions.under_way -= 1;
        (true, self.next())
    }

    /// What has its turn now.
    fn next(&mut self) -> Vec<Ask> {
        let mut asks = Vec::new();
        while let Some(worker) = self.creations.begin() {
            if let Some(Call::ToCreate(isolation)) = self.calls.insert(worker, Call::Creating) {
                asks.push(Ask::Create(worker, isolation));
            }
        }
        while let Some(worker) = self.destructions.begin() {
            self.calls.insert(worker, Call::Destroying);
            asks.push(Ask::Destroy(worker));
        }
        asks
    }
}

impl Turns {
    fn begin(&mut self) -> Option<WorkerId> {
        if self.under_way >= AT_A_TIME {
            return None;
        }
        let worker = self.waiting.pop_front()?;
        self.under_way += 1;
        Some(worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Isolation = Isolation::Worker;
    const ONE: WorkerId = WorkerId(1);

    #[test]
    fn of_one_worker_one_thing_at_a_time() {
        let mut calls = Calls::default();
        assert_eq!(calls.create(ONE, KIND), [Ask::Create(ONE, KIND)]);
        assert_eq!(calls.create(ONE, KIND), []);
        // It is not wanted any more: its creation is not waited for, and nothing overtakes it.
        assert_eq!(calls.destroy(ONE), [Ask::AbandonCreation(ONE)]);
        assert_eq!(calls.destroy(ONE), []);
        assert_eq!(calls.creation_over(ONE), (false, vec![Ask::Destroy(ONE)]));
        // Both the answer and the news that it was given up may come.
        assert_eq!(calls.creation_over(ONE), (false, vec![]));
        assert_eq!(calls.destroy(ONE), []);
        assert_eq!(calls.create(ONE, KIND), []);
        assert_eq!(calls.destruction_over(ONE), (true, vec![]));
        assert_eq!(calls.create(ONE, KIND), [Ask::Create(ONE, KIND)]);
        assert_eq!(calls.creation_over(ONE), (true, vec![]));
    }

    #[test]
    fn slow_ones_of_one_kind_do_not_hold_up_the_other() {
        let mut calls = Calls::default();
        for worker in 1..=AT_A_TIME as u64 {
            assert_eq!(calls.create(WorkerId(worker), KIND).len(), 1);
        }
        assert_eq!(calls.create(WorkerId(50), KIND), []);
        assert_eq!(calls.create(WorkerId(51), KIND), []);
        assert_eq!(calls.destroy(WorkerId(60)), [Ask::Destroy(WorkerId(60))]);
        // One that waits for its turn was never begun.
        assert_eq!(calls.destroy(WorkerId(50)), [Ask::Destroy(WorkerId(50))]);
        assert_eq!(calls.creation_over(ONE), (true, vec![Ask::Create(WorkerId(51), KIND)]));
    }
}

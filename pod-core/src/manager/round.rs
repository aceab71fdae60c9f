//! What a round has collected, and when it closes.

use crate::{
    domain::{Age, Millis},
    plan::Decision,
};

/// Inputs of one round at most, so that the first caller of it does not wait for the last.
const MAX_INPUTS: usize = 2048;
/// How long news of workers, for which nobody waits, collects into one batch.
const LINGER: Millis = Millis(4);
/// A round that has collected for so long closes though more is there: where each request has to be read for, and the store
/// is slow, the first caller would wait for thousands.
const MAX_TIME: Millis = Millis(100);
/// Rounds that follow each other faster than this are worth collecting.
const BUSY: Millis = Millis(10);

/// The round under way.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// What it has decided so far.
    pub(super) decision: Decision,
    /// How much it holds.
    inputs: usize,
    /// It holds something that a caller waits for.
    urgent: bool,
    /// When it began; nothing while it is empty.
    begun_at: Option<Age>,
    /// When it closes though nobody waits for it; nothing while it is empty.
    closes_at: Option<Age>,
}

impl Round {
    /// Counts an input. The first one of a round, the last of which ended at that age, sets when it closes.
    pub(super) fn count(&mut self, weight: usize, now: Age, last_ended: Age) {
        self.inputs += weight;
        let linger = if now.since(last_ended) < BUSY { LINGER } else { Millis(0) };
        self.begun_at.get_or_insert(now);
        self.closes_at.get_or_insert(now + linger);
    }

    /// A caller waits for its end.
    pub(super) const fn hurry(&mut self) {
        self.urgent = true;
    }

    /// Whether it takes nothing more.
    pub(super) fn is_full(&self, now: Age) -> bool {
        self.inputs >= MAX_INPUTS || self.begun_at.is_some_and(|at| now.since(at) >= MAX_TIME)
    }

    /// Whether it is time to close it, when there is nothing more to put into it.
    pub(super) fn is_due(&self, now: Age) -> bool {
        self.closes_at.is_some_and(|at| self.urgent || now >= at)
    }

    /// Whether nothing was put into it.
    pub(super) const fn is_empty(&self) -> bool {
        self.closes_at.is_none()
    }

    /// When it closes though nobody waits for it; nothing while it is empty.
    pub(super) const fn closes_at(&self) -> Option<Age> {
        self.closes_at
    }
}

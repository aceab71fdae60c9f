//! One attempt that a worker holds.

use std::time::Duration;

use crate::{
    domain::{ActivityId, AttemptOutcome, RevisionNo, Timestamp},
    link::StartCommand,
    worker::spool::Spool,
};

/// An attempt.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) activity: ActivityId,
    pub(super) revision: RevisionNo,
    pub(super) phase: Phase,
    pub(super) started_at: Option<Timestamp>,
    /// The manager has been told that it runs.
    pub(super) told_running: bool,
    /// Someone asked to end it.
    pub(super) stopped: bool,
    /// The uptime at which it was started, for when output came.
    pub(super) began: Option<Duration>,
    pub(super) spool: Spool,
    pub(super) queued: Queued,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The executor was not given it yet.
    Waiting(Box<StartCommand>),
    /// It was given to the executor, which has not told its end.
    Live,
    /// As `Live`, but the manager wants to hear nothing more of it.
    Unwanted,
    /// Its end is to be delivered.
    Ended(End),
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) at: Timestamp,
    pub(super) end: AttemptOutcome,
    /// Whether this link has carried it.
    pub(super) sent: bool,
}

/// Whether an attempt is in one of the queues of [`Outgoing`](super::outgoing::Outgoing).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    No,
    /// For a moment, in the hope that more comes.
    Held,
    Ready,
}

impl Held {
    pub(super) fn new(activity: ActivityId, revision: RevisionNo, phase: Phase, output_cap: u64) -> Self {
        Self {
            activity,
            revision,
            phase,
            started_at: None,
            told_running: false,
            stopped: false,
            began: None,
            spool: Spool::new(output_cap),
            queued: Queued::No,
        }
    }

    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }
}

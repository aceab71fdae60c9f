//! What is told to the log.

use std::{fmt, sync::Arc};

use crate::{
    domain::{ActivityId, ClockChange, Millis, WorkerId},
    plan::SlipKind,
    store::StoreError,
};

/// Something that whoever runs the manager may want to know.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The system's clock was set.
    ClockSet(ClockChange),
    /// The scheduler said what cannot be done. Each kind is told once: it may come in every round.
    Slip(SlipKind, String),
    /// The store takes nothing at the moment.
    StoreAway {
        /// Why.
        why: Arc<str>,
        /// The next try is so long from now.
        again_in: Millis,
    },
    /// The store refused a batch, and what it holds is loaded anew.
    Refused(StoreError),
    /// A queue could not be read.
    QueueUnread(ActivityId, StoreError),
    /// What the retention deletes could not be found.
    NotExpired(StoreError),
    /// The store did not renew the lease. It is told once until it does.
    LeaseNotRenewed(StoreError),
    /// A link did not take a message.
    LinkGivenUp(WorkerId),
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something is wrong with POD, or what it is set up with.
    Error,
    /// Something is in the way and may pass.
    Warning,
}

impl Notice {
    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Slip(..) | Self::Refused(StoreError::Conflict(_)) => Severity::Error,
            _ => Severity::Warning,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockSet(change) => write!(f, "{}", change.sentence()),
            Self::Slip(kind, what) => {
                write!(f, "the scheduler is at fault, {kind} ({what}); that is left out, and told this once")
            }
            Self::StoreAway { why, again_in } => {
                write!(f, "the store is away, the same is tried again in {again_in}: {why}")
            }
            Self::Refused(StoreError::Full(why)) => write!(f, "the store is full, new work is refused: {why}"),
            Self::Refused(error) => write!(f, "the store refused a round, its state is loaded anew: {error}"),
            Self::QueueUnread(activity, error) => {
                write!(f, "the queue of activity {activity} could not be read and is tried again: {error}")
            }
            Self::NotExpired(error) => {
                write!(f, "the retention could not be carried out and is tried again: {error}")
            }
            Self::LeaseNotRenewed(error) => {
                write!(f, "the lease of the store is not renewed, that is tried again: {error}")
            }
            Self::LinkGivenUp(worker) => {
                write!(f, "the link of worker {worker} takes no more and is given up; the worker will dial again")
            }
        }
    }
}

//! What an embedder may count: told after it was committed, in the order in which it happened.

use std::{fmt::Debug, sync::Arc, time::Duration};

use crate::domain::{ActivityId, ExecutionStatus, Millis};

/// Something to be counted. What is about an execution names its activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// An execution was accepted.
    Submitted(ActivityId),
    /// An execution began to run for the first time, after so long.
    Waited(ActivityId, Millis),
    /// An attempt ended by itself or was ended, so long after it began to run.
    Ran(ActivityId, Millis),
    /// An attempt failed, and the execution is tried again.
    Retried(ActivityId),
    /// An attempt was lost with its worker.
    Lost(ActivityId),
    /// An execution waits again: its attempt failed, was lost, or was taken back.
    Requeued(ActivityId),
    /// An execution concluded.
    Ended(ActivityId, ExecutionStatus),
    /// A worker was asked for.
    Launched,
    /// A worker could not be had, or ended before it said hello.
    LaunchRefused,
}

impl Measure {
    /// The activity that it is about.
    #[must_use]
    pub const fn activity(self) -> Option<ActivityId> {
        match self {
            Self::Submitted(id)
            | Self::Waited(id, _)
            | Self::Ran(id, _)
            | Self::Retried(id)
            | Self::Lost(id)
            | Self::Requeued(id)
            | Self::Ended(id, _) => Some(id),
            Self::Launched | Self::LaunchRefused => None,
        }
    }
}

/// Is told what there is to count. Called where work is done: it must return at once, and wait for nothing.
pub trait Observer: Debug + Send + Sync + 'static {
    /// These were committed. `name_of` knows the names of activities.
    fn measured(&self, measures: &[Measure], name_of: &dyn Fn(ActivityId) -> Option<Arc<str>>);

    /// A batch of so many rows and events was committed; it took so long.
    fn committed(&self, rows: usize, took: Duration);

    /// So many bytes of output were stored.
    fn output(&self, bytes: usize);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unobserved;

impl Observer for Unobserved {
    fn measured(&self, _: &[Measure], _: &dyn Fn(ActivityId) -> Option<Arc<str>>) {}
    fn committed(&self, _: usize, _: Duration) {}
    fn output(&self, _: usize) {}
}

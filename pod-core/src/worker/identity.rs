//! Who a worker is, and why it ends.

use std::fmt;

use crate::domain::{Millis, StoreId, WorkerId};

/// Who a worker is when its process begins.
#[derive(Clone)]
pub struct Identity {
    /// The store that it was made for; it takes the first one it meets when absent.
    pub store: Option<StoreId>,
    /// Who it is; its first manager says so when absent.
    pub worker: Option<WorkerId>,
    /// Tells this process from an earlier one under the same id. Chosen at random.
    pub incarnation: u64,
    /// What it shows as proof.
    pub token: Option<String>,
    /// Its host name, for people.
    pub host: Option<String>,
    /// How long to look for a first manager; a welcome says how long it is from then on.
    pub orphan_timeout: Millis,
    /// What its manager hears when the worker is asked to end on its own machine.
    pub shutdown_notice: ShutdownNotice,
}

impl Identity {
    /// A worker that looks for its manager for ten minutes, and knows nothing else yet.
    #[must_use]
    pub fn new(incarnation: u64) -> Self {
        Self {
            store: None,
            worker: None,
            incarnation,
            token: None,
            host: None,
            orphan_timeout: Millis::from_secs(600),
            shutdown_notice: ShutdownNotice::Permanent,
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("store", &self.store)
            .field("worker", &self.worker)
            .field("incarnation", &self.incarnation)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("host", &self.host)
            .field("orphan_timeout", &self.orphan_timeout)
            .field("departure", &self.shutdown_notice)
            .finish()
    }
}

/// What a worker says when it is asked to end on its own machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ShutdownNotice {
    /// That it leaves, and then that it is gone for good: what it ran is given out again at once.
    #[default]
    Permanent,
    /// Nothing: the same worker, with what is installed in it, is started again.
    Temporary,
}

/// Why a worker ended. Nothing that it ran is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerExit {
    /// The manager asked for it.
    Shutdown(String),
    /// The manager does not want this worker any more.
    Refused(String),
    /// The manager that answered is not the one that this worker belongs to.
    WrongManager(String),
    /// What the worker lives in is gone, or can never be reached again.
    Abandoned(String),
    /// No manager was there for so long, and there was nothing to do or to deliver.
    OrphanTimeout(Millis),
    /// It was asked to end on its own machine.
    Cancelled,
    /// Its executor could not say what is installed.
    ExecutorFailed(String),
}

impl WorkerExit {
    /// Whether this is an end as it should be.
    #[must_use]
    pub const fn is_orderly(&self) -> bool {
        matches!(self, Self::Shutdown(_) | Self::OrphanTimeout(_) | Self::Cancelled)
    }
}

impl fmt::Display for WorkerExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown(reason) => write!(f, "the manager let this worker go: {reason}"),
            Self::Refused(reason) => write!(f, "the manager refused this worker: {reason}"),
            Self::WrongManager(reason) => write!(f, "another manager answered: {reason}"),
            Self::Abandoned(reason) => write!(f, "this worker ends: {reason}"),
            Self::OrphanTimeout(time) => write!(f, "no manager was there for {time}, and there was nothing to do"),
            Self::Cancelled => write!(f, "this worker was asked to end where it runs, by a signal"),
            Self::ExecutorFailed(reason) => write!(f, "this worker cannot work: {reason}"),
        }
    }
}

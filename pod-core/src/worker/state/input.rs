//! What happens to a worker, and when.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    domain::{ActivityId, AttemptKey, RevisionNo, Timestamp},
    executor::{InstallError, RunEvent, StartError},
    link::ToWorker,
};

/// The time, as the shell reads it once for each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For what people read. May jump.
    pub wall: Timestamp,
    /// For deadlines: since the worker began, never going back, and not counting the time a machine slept.
    pub uptime: Duration,
}

/// Something that happened to the worker.
#[derive(Debug)]
pub enum Input {
    /// A link to a manager is there; the hello is to be collected.
    Connected,
    /// The link ended.
    Disconnected,
    /// A frame arrived. An empty one shows that the manager is there.
    Received(Vec<ToWorker>),
    /// An execution did something.
    Run(AttemptKey, RunEvent),
    /// An execution could not be started.
    StartFailed(AttemptKey, StartError),
    /// The executor lost an execution: it will tell nothing more of it.
    Vanished(AttemptKey),
    /// An installation under way printed something.
    InstallOutput(ActivityId, RevisionNo, Bytes),
    /// An installation under way ended.
    InstallEnded(ActivityId, RevisionNo, Result<(), InstallError>),
    /// An installation under way was aborted, as [`Effect::AbortInstall`](super::Effect::AbortInstall) asked, and nothing of it runs.
    InstallAborted(ActivityId, RevisionNo),
    /// A removal is done; a failed one counts, since what is left of it is not taken for an installation.
    Removed(ActivityId, RevisionNo),
    /// It is to leave; what runs may end for so long, and is killed right now if that is asked for.
    Leave {
        /// For how long what runs may go on.
        within: Duration,
        /// KILL, and no waiting.
        at_once: bool,
    },
    /// The moment of [`WorkerState::next_deadline`](super::WorkerState::next_deadline) has come.
    Tick,
}

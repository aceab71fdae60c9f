//! A backend as another one finds it that starts in the same data directory: the workers that it has left there.

use async_trait::async_trait;
use pod_core::{domain::WorkerId, provisioner::ProvisionError};

use crate::docker::client::identity::EngineIdentity;

/// A worker that a backend has left, and the part of the data directory which it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeftWorker {
    pub(crate) part: &'static str,
    pub(crate) id: WorkerId,
}

/// What a backend has left in a data directory. Each technology implements it beside its provisioner.
#[async_trait]
pub(crate) trait LeftBehind: Send + Sync {
    /// As the rows of its workers, and the command line, call it.
    fn name(&self) -> &'static str;

    /// The parts of a data directory that it has for itself.
    fn parts(&self) -> &'static [&'static str];

    /// The engine of its workers, as it was written down; none where they need none, or none was reached yet.
    fn engine(&self) -> Option<&EngineIdentity> {
        None
    }

    /// Those of its workers that run; an error where nobody can tell. Asked before any is ended.
    async fn running(&mut self, workers: &[LeftWorker]) -> Result<Vec<WorkerId>, ProvisionError>;

    /// Ends a worker with all that it has, and forgets it. Where its engine is not reached, what is there stays written down.
    async fn end(&self, worker: LeftWorker) -> Result<(), ProvisionError>;
}

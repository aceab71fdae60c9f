//! What the executor holds while it runs: the engine, the settings, and what is installed.

use std::path::PathBuf;

use pod_core::domain::{ActivityId, RevisionNo, StoreId, WorkerId};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    docker::{client::engine::Engine, settings::DockerSettings},
    process::{entry::Entry, installed::Installations},
};

/// An installation.
pub(super) type Key = (ActivityId, RevisionNo);

/// What installing and running need.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) settings: DockerSettings,
    pub(super) store: StoreId,
    pub(super) worker: WorkerId,
    pub(super) slots: u32,
    /// Where archives are unpacked.
    pub(super) dir: PathBuf,
    pub(super) installed: Installations<Entry>,
    /// Ends whatever runs.
    pub(super) closing: CancellationToken,
    /// What is to be waited for before the executor is gone.
    pub(super) tasks: TaskTracker,
}

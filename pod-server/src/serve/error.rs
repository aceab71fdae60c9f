//! The errors of starting and running a manager.

use pod_backends::data_dir::DataDirError;
use pod_core::{PodError, store::StoreError};

use crate::config::ConfigError;

/// Why a manager could not start: a sentence each.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It cannot listen there.
    #[error("{0}")]
    Listen(String),
    /// The data directory cannot be used, or another manager holds it.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine could not start, or ended by itself.
    #[error(transparent)]
    Pod(#[from] PodError),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

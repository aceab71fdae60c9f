//! Why a manager could not start, or ended.

use pod_core::PodError;

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
    /// The data directory cannot be used.
    #[error("{0}")]
    DataDir(String),
    /// Another manager holds the data directory.
    #[error("{0}")]
    Held(String),
    /// The engine could not start, or ended by itself.
    #[error(transparent)]
    Pod(#[from] PodError),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

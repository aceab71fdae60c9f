//! The trait of what reaches a manager.

use async_trait::async_trait;

use crate::link::Transport;

/// How a worker reaches its manager.
#[async_trait]
pub trait Dialer: Send + Sync + 'static {
    /// Dials once. Called again after a while when it failed, or when the link ended.
    async fn dial(&self) -> Result<Transport, DialError>;
}

/// Why a manager could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// It may be there later.
    #[error("{0}")]
    Later(String),
    /// It can never be there again: the worker stops what it runs and ends.
    #[error("{0}")]
    Never(String),
}

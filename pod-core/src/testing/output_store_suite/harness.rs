//! What tells an output store of attempts.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use crate::{
    domain::{AttemptKey, ExecutionId},
    store::OutputStore,
};

/// An output store under test, and who keeps the rows beside it: its own store, or a stand-in for one.
#[async_trait]
pub trait Harness: Debug + Send + Sync {
    /// The output store.
    fn output(&self) -> Arc<dyn OutputStore>;

    /// Opens an attempt. The one before it of the same execution, where there is one, ends.
    async fn open(&mut self, attempt: AttemptKey);

    /// Ends open attempts in one step, as a commit does: their output is durable when this returns.
    async fn end(&mut self, attempts: &[AttemptKey]);

    /// Deletes an execution that has ended, with the output of its attempts.
    async fn delete(&mut self, execution: ExecutionId);

    /// Drops the output store, and opens it again as a restarted manager does.
    async fn reopen(&mut self);
}

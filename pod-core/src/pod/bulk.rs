//! What is done to many executions at once: a portion at a time, newest first, so that a queue of any length is gone
//! through without holding anyone up, and what begins meanwhile is not met.

use futures::{StreamExt, stream};

use super::{Pod, PodError, Result};
use crate::{
    domain::{ExecutionId, RetryRevision},
    store::ExecutionQuery,
};

/// How many are asked for side by side. They share commits; other requests wait for no more than so many.
const SIDE_BY_SIDE: usize = 128;

/// What became of a portion.
#[derive(Clone, Debug, Default)]
pub struct Portion {
    /// Those to which it was done: what is being terminated, or the new executions.
    pub done: Vec<ExecutionId>,
    /// How many were not as expected any more, or refused.
    pub refused: u64,
    /// Why the first of those was.
    pub why: Option<PodError>,
    /// Where the next portion begins: its `before`. Nothing when this was the last.
    pub next: Option<ExecutionId>,
}

impl Pod {
    /// Asks for the end of the first `query.limit` executions that a query finds and that have not ended. Once more, it
    /// changes nothing for those that have. When it fails, what was asked for before is done all the same.
    ///
    /// A query that names nothing means all, a hundred at a time; go on with [`Portion::next`] as `before`. (The HTTP
    /// API refuses that, since a forgotten filter is easily sent.)
    ///
    /// # Errors
    ///
    /// [`PodError::Invalid`] for a limit of 0, with which nothing would be done.
    pub async fn terminate_matching(&self, query: ExecutionQuery) -> Result<Portion> {
        self.matching(ExecutionQuery { ended: Some(false), ..query }, &Act::Terminate).await
    }

    /// Runs the first `query.limit` executions that a query finds and that have ended again, as new ones, in the order
    /// of their age. With the same idempotency key again, none is run twice.
    pub async fn retry_matching(
        &self,
        query: ExecutionQuery,
        revision: RetryRevision,
        key: Option<&str>,
    ) -> Result<Portion> {
        let act = Act::Retry(revision, key.map(str::to_owned));
        self.matching(ExecutionQuery { ended: Some(true), ..query }, &act).await
    }

    /// Asks for the end of these executions.
    pub async fn terminate_each(&self, ids: &[ExecutionId]) -> Result<Portion> {
        self.each(ids.to_vec(), &Act::Terminate).await
    }

    /// Runs these executions again, as new ones, in that order.
    pub async fn retry_each(&self, ids: &[ExecutionId]) -> Result<Portion> {
        self.each(ids.to_vec(), &Act::Retry(RetryRevision::Same, None)).await
    }

    async fn matching(&self, query: ExecutionQuery, act: &Act) -> Result<Portion> {
        let limit = query.limit;
        let mut found: Vec<ExecutionId> =
            self.executions(query).await?.into_iter().map(|execution| execution.id).collect();
        let next = found.last().copied().filter(|_| found.len() == limit);
        found.reverse();
        Ok(Portion { next, ..self.each(found, act).await? })
    }

    async fn each(&self, ids: Vec<ExecutionId>, act: &Act) -> Result<Portion> {
        let mut portion = Portion::default();
        let mut ends = stream::iter(ids)
            .map(|id| {
                let (pod, act) = (self.clone(), act.clone());
                async move { act.done_to(&pod, id).await }
            })
            .buffered(SIDE_BY_SIDE);
        while let Some(end) = ends.next().await {
            match end {
                Ok(id) => portion.done.push(id),
                Err(error @ (PodError::Overloaded | PodError::Stopped | PodError::Crashed(_) | PodError::Store(_))) => {
                    return Err(error);
                }
                Err(error) => {
                    portion.refused += 1;
                    portion.why.get_or_insert(error);
                }
            }
        }
        Ok(portion)
    }
}

/// What is done to each.
#[derive(Clone, Debug)]
enum Act {
    Terminate,
    Retry(RetryRevision, Option<String>),
}

impl Act {
    async fn done_to(self, pod: &Pod, id: ExecutionId) -> Result<ExecutionId> {
        match self {
            Self::Terminate => pod.request_termination(id).await.map(|execution| execution.id),
            Self::Retry(revision, key) => {
                let key = key.map(|key| format!("{key} {id}"));
                pod.retry_once(id, revision, key).await.map(|submitted| submitted.id)
            }
        }
    }
}

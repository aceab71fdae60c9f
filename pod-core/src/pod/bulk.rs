//! What is done to many executions at once: a portion at a time, newest first, so that a queue of any length is gone
//! through without holding anyone up, and what begins meanwhile is not met.

use futures::{StreamExt, stream};

use super::handle::{Pod, Result};
use crate::{
    api::{PodError, Reply, Request, Terms},
    domain::{ExecutionId, ExecutionStatus, RetryRevision},
    engine::hash,
    store::{ExecutionQuery, Note},
};

/// How many are asked for side by side. They share commits; other requests wait for no more than so many.
const CONCURRENCY: usize = 128;

/// What became of a portion.
#[derive(Clone, Debug, Default)]
pub struct BulkOutcome {
    /// Those to which it was done: what is being terminated, or the new executions.
    pub done: Vec<ExecutionId>,
    /// How many were not as expected any more, or refused.
    pub failed: u64,
    /// Why the first of those was, as a sentence.
    pub first_error: Option<String>,
    /// Where the next portion begins: its `before`. Nothing when this was the last.
    pub next_cursor: Option<ExecutionId>,
}

impl Pod {
    /// Asks for the end of the first `query.limit` executions that a query finds and that have not ended. Once more, it
    /// changes nothing for those that have. When it fails, what was asked for before is done all the same.
    ///
    /// A query that names nothing means all, a hundred at a time; go on with [`BulkOutcome::next_cursor`] as `before`. (The HTTP
    /// API refuses that, since a forgotten filter is easily sent.)
    ///
    /// # Errors
    ///
    /// [`PodError::Invalid`] for a limit of 0, with which nothing would be done.
    ///
    /// # Cancellation safety
    ///
    /// When the future is dropped, some are done and others are not; asked again, it goes on with the others.
    pub async fn terminate_matching(&self, query: ExecutionQuery) -> Result<BulkOutcome> {
        self.matching(ExecutionQuery { ended: Some(false), ..query }, &StoredAction::Terminate).await
    }

    /// Runs the first `query.limit` executions that a query finds and that have ended again, as new ones, in the order
    /// of their age. With the same idempotency key again, none is run twice; what the query finds then that it did not
    /// find before is run, which [`Pod::many_once`] does not.
    ///
    /// # Errors
    ///
    /// As [`Pod::terminate_matching`].
    pub async fn retry_matching(
        &self,
        query: ExecutionQuery,
        revision: RetryRevision,
        key: Option<&str>,
    ) -> Result<BulkOutcome> {
        let act = StoredAction::Retry(revision, key.map(str::to_owned));
        self.matching(ExecutionQuery { ended: Some(true), ..query }, &act).await
    }

    /// Does something to all that a query finds, a portion, once: asked again under the same key, it answers what it did,
    /// or goes on with what it had found where it was interrupted. The query is made only when nothing is remembered.
    ///
    /// # Errors
    ///
    /// [`PodError::IdempotencyConflict`] when the key stands for another request, and those of the query.
    pub async fn many_once<E: From<PodError>>(
        &self,
        asked: BulkRequest,
        act: BulkAction,
        query: impl Future<Output = std::result::Result<ExecutionQuery, E>>,
    ) -> std::result::Result<BulkOutcome, E> {
        let store = self.engine.store();
        let hash = asked.hash(&act);
        // The portions of a request share its key.
        let first = store.idempotency(&asked.key).await.map_err(PodError::from)?;
        if first.is_some_and(|record| record.request_hash != hash) {
            return Err(PodError::IdempotencyConflict(asked.key).into());
        }
        let key = match asked.portion {
            None => asked.key.clone(),
            Some(before) => format!("{}\n{before}", asked.key),
        };
        let note = match store.idempotency(&key).await.map_err(PodError::from)?.and_then(|record| record.note) {
            Some(note) => note,
            None => {
                let query = query.await?;
                let query = ExecutionQuery { ended: Some(act != BulkAction::Terminate), ..query };
                let (ids, next) = self.found(query).await?;
                self.note(&key, hash, Note::Found { ids, next }).await?
            }
        };
        Ok(match note {
            Note::Done { ids, refused, why, next } => {
                BulkOutcome { done: ids, failed: refused, first_error: why, next_cursor: next }
            }
            Note::Found { ids, next } => {
                let act = match act {
                    BulkAction::Terminate => StoredAction::TerminateFound,
                    BulkAction::Retry(revision) => StoredAction::Retry(revision, Some(asked.key.clone())),
                };
                let portion = BulkOutcome { next_cursor: next, ..self.each(ids, &act).await? };
                let BulkOutcome { done: ids, failed: refused, first_error: why, next_cursor: next } = portion.clone();
                let note = Note::Done { ids, refused, why, next };
                self.ask(Request::Conclude { key, hash, note }).await?;
                portion
            }
            _ => return Err(PodError::IdempotencyConflict(asked.key).into()),
        })
    }

    /// Asks for the end of these executions.
    pub async fn terminate_each(&self, ids: &[ExecutionId]) -> Result<BulkOutcome> {
        self.each(ids.to_vec(), &StoredAction::Terminate).await
    }

    /// Runs these executions again, as new ones, in that order; with the same idempotency key again, none twice.
    pub async fn retry_each(&self, ids: &[ExecutionId], key: Option<&str>) -> Result<BulkOutcome> {
        self.each(ids.to_vec(), &StoredAction::Retry(RetryRevision::Same, key.map(str::to_owned))).await
    }

    async fn matching(&self, query: ExecutionQuery, act: &StoredAction) -> Result<BulkOutcome> {
        let (found, next) = self.found(query).await?;
        Ok(BulkOutcome { next_cursor: next, ..self.each(found, act).await? })
    }

    /// Notes what was found, unless something was before: that counts.
    async fn note(&self, key: &str, hash: [u8; 32], note: Note) -> Result<Note> {
        let terms = Terms { key: Some(key.to_owned()), ..Terms::default() };
        match self.on(terms).ask(Request::Note { hash, note }).await? {
            Reply::Noted(note) => Ok(note),
            other => unreachable!("the engine answered with {other:?}"),
        }
    }

    /// A portion in the order of age, and where the next one begins.
    async fn found(&self, query: ExecutionQuery) -> Result<(Vec<ExecutionId>, Option<ExecutionId>)> {
        let limit = query.limit;
        let mut found: Vec<ExecutionId> =
            self.executions(query).await?.into_iter().map(|execution| execution.id).collect();
        let next = found.last().copied().filter(|_| found.len() == limit);
        found.reverse();
        Ok((found, next))
    }

    async fn each(&self, ids: Vec<ExecutionId>, act: &StoredAction) -> Result<BulkOutcome> {
        let mut portion = BulkOutcome::default();
        let mut ends = stream::iter(ids)
            .map(|id| {
                let (pod, act) = (self.clone(), act.clone());
                async move { act.done_to(&pod, id).await }
            })
            .buffered(CONCURRENCY);
        while let Some(end) = ends.next().await {
            match end {
                Ok(id) => portion.done.push(id),
                Err(error @ (PodError::Overloaded | PodError::Stopped | PodError::Crashed(_) | PodError::Store(_))) => {
                    return Err(error);
                }
                Err(error) => {
                    portion.failed += 1;
                    portion.first_error.get_or_insert_with(|| error.to_string());
                }
            }
        }
        Ok(portion)
    }
}

/// What makes a request about many repeatable.
#[derive(Clone, Debug)]
pub struct BulkRequest {
    /// Its key.
    pub key: String,
    /// Which executions it is about, in the words of who asks: equal for equal requests only.
    pub words: String,
    /// Where its portion begins: the `before` of the query, as it was given.
    pub portion: Option<ExecutionId>,
}

impl BulkRequest {
    fn hash(&self, act: &BulkAction) -> [u8; 32] {
        let act = match act {
            BulkAction::Terminate => "terminate many",
            BulkAction::Retry(RetryRevision::Same) => "retry many",
            BulkAction::Retry(RetryRevision::Latest) => "retry many with the current revision",
        };
        hash(act, &self.words, &[])
    }
}

/// What is done to many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkAction {
    /// Ask for their end.
    Terminate,
    /// Run them again.
    Retry(RetryRevision),
}

/// What is done to each.
#[derive(Clone, Debug)]
enum StoredAction {
    Terminate,
    /// None of them had ended when it was found.
    TerminateFound,
    Retry(RetryRevision, Option<String>),
}

impl StoredAction {
    async fn done_to(self, pod: &Pod, id: ExecutionId) -> Result<ExecutionId> {
        match self {
            Self::Terminate => pod.request_termination(id).await.map(|execution| execution.id),
            Self::TerminateFound => match pod.request_termination(id).await {
                // By the same request, sent before: what was wanted is so.
                Err(PodError::AlreadyEnded(_)) if pod.execution(id).await?.status == ExecutionStatus::Terminated => {
                    Ok(id)
                }
                asked => asked.map(|execution| execution.id),
            },
            Self::Retry(revision, key) => {
                let key = key.map(|key| format!("{key}\n{id} again"));
                pod.retry_idempotent(id, revision, key).await.map(|submitted| submitted.id)
            }
        }
    }
}

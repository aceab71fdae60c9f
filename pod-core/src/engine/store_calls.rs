//! What the manager asks the store.

use super::shared::Shared;
use crate::{
    api::PodError,
    domain::{Age, ExecutionId},
    manager::{Answer, Loaded, Query, Rows},
    plan::Refill,
    store::{Store, StoreError},
};

/// Reads.
pub(crate) async fn read(store: &dyn Store, query: Query) -> Answer {
    match query {
        Query::Rows { execution, key } => Answer::Rows(rows(store, execution, key.as_deref()).await.map(Box::new)),
        Query::Queue(Refill { activity, revision, after, limit }) => {
            Answer::Queue(store.peek_queue(activity, revision, after, Age::MAX, limit).await)
        }
        Query::Expired { before, limit } => Answer::Expired(store.list_expired(before, limit).await),
        Query::Room => Answer::Room(store.has_room().await),
    }
}

async fn rows(store: &dyn Store, execution: Option<ExecutionId>, key: Option<&str>) -> Result<Rows, StoreError> {
    let mut rows = Rows::default();
    if let Some(id) = execution {
        rows.execution = store.execution(id).await?;
    }
    if let Some(key) = key
        && let Some(record) = store.idempotency(key).await?
    {
        let first = store.execution(ExecutionId(record.executions.start)).await?;
        rows.idempotency = Some((record, first));
    }
    Ok(rows)
}

/// Acquires the lease and loads what the store holds. The clock goes on from there.
pub(crate) async fn load(shared: &Shared) -> Result<Loaded, PodError> {
    let lease =
        shared.store.acquire(&shared.holder, shared.lease_ttl).await?.acquired().map_err(PodError::StoreHeld)?;
    let mut snapshot = shared.store.load().await?;
    shared.go_on(&mut snapshot);
    Ok(Loaded { epoch: lease.epoch, snapshot, boot: shared.boot() })
}

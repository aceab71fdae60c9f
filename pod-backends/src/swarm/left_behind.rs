//! The workers that are tasks of a swarm, as another backend finds them, or this one on another swarm.

use std::path::PathBuf;

use async_trait::async_trait;
use pod_core::{
    domain::{StoreId, WorkerId},
    provisioner::ProvisionError,
};

use super::{
    service,
    shared::{NAME, TASKS},
};
use crate::{
    docker::client::{engine::Engine, identity::EngineIdentity},
    local::left_behind::delete,
    other_backends::left_behind::{LeftBehind, LeftWorker},
};

/// What this backend has left in a data directory.
pub(crate) struct SwarmLeft {
    data: PathBuf,
    store: StoreId,
    known: Option<EngineIdentity>,
    engine: Option<Engine>,
}

impl SwarmLeft {
    pub(crate) fn of(data: PathBuf, store: StoreId) -> Self {
        let known = EngineIdentity::read(&data, NAME);
        Self { data, store, known, engine: None }
    }
}

#[async_trait]
impl LeftBehind for SwarmLeft {
    fn name(&self) -> &'static str {
        NAME
    }

    fn parts(&self) -> &'static [&'static str] {
        &[TASKS]
    }

    fn engine(&self) -> Option<&EngineIdentity> {
        self.known.as_ref()
    }

    async fn running(&mut self, _: &[LeftWorker]) -> Result<Vec<WorkerId>, ProvisionError> {
        let engine = self.engine.insert(EngineIdentity::connect(self.known.as_ref()).await?);
        Ok(service::list(engine, self.store).await?.into_iter().map(|machine| machine.worker).collect())
    }

    async fn end(&self, worker: LeftWorker) -> Result<(), ProvisionError> {
        let Some(engine) = &self.engine else { return Ok(()) };
        service::remove(engine, self.store, worker.id).await?;
        delete(&self.data, worker).await
    }
}

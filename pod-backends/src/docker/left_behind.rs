//! The workers that are on a container engine, as another backend finds them, or this one on another engine.

use std::path::PathBuf;

use async_trait::async_trait;
use pod_core::{
    domain::{StoreId, WorkerId},
    provisioner::ProvisionError,
};

use super::{
    client::{
        container::{self, State},
        engine::Engine,
        identity::EngineIdentity,
    },
    executor::containers::remove_all,
    places::{CONTAINERS, ISOLATED, NAME},
};
use crate::{
    local::left_behind::{delete, end_process, running_processes},
    other_backends::left_behind::{LeftBehind, LeftWorker},
};

/// What this backend has left in a data directory.
pub(crate) struct DockerLeft {
    data: PathBuf,
    store: StoreId,
    known: Option<EngineIdentity>,
    engine: Option<Engine>,
}

impl DockerLeft {
    pub(crate) fn of(data: PathBuf, store: StoreId) -> Self {
        let known = EngineIdentity::read(&data, NAME);
        Self { data, store, known, engine: None }
    }
}

#[async_trait]
impl LeftBehind for DockerLeft {
    fn name(&self) -> &'static str {
        NAME
    }

    fn parts(&self) -> &'static [&'static str] {
        &[CONTAINERS, ISOLATED]
    }

    fn engine(&self) -> Option<&EngineIdentity> {
        self.known.as_ref()
    }

    async fn running(&mut self, workers: &[LeftWorker]) -> Result<Vec<WorkerId>, ProvisionError> {
        let engine = self.engine.insert(EngineIdentity::connect(self.known.as_ref()).await?);
        let mut running = running_processes(&self.data, workers.iter().filter(|worker| worker.part == ISOLATED))?;
        let states = container::list_states(engine, self.store).await?;
        running.extend(states.iter().filter(|(_, state)| *state == State::Running).map(|(worker, _)| worker));
        Ok(running)
    }

    async fn end(&self, worker: LeftWorker) -> Result<(), ProvisionError> {
        end_process(&self.data, worker).await?;
        let Some(engine) = &self.engine else { return Ok(()) };
        match worker.part {
            CONTAINERS => container::remove(engine, self.store, worker.id).await?,
            _ => remove_all(engine, self.store, worker.id).await?,
        }
        delete(&self.data, worker).await
    }
}

//! Workers that are containers themselves, and whose executions are processes in them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use pod_core::{
    domain::WorkerId,
    provisioner::{Backend, BackendContext, Machine, ProvisionError, Provisioner, WorkerSpec},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{launch, link, shared::Shared, watch};
use crate::{
    data_dir::{
        directory::{Directories, WorkerRecord},
        lock::DataDirLock,
    },
    docker::{
        client::{
            container::{self, State},
            engine::Engine,
            identity::EngineIdentity,
            image,
        },
        places::{CONTAINERS, NAME},
        settings::DockerSettings,
        worker_binary::WorkerBinary,
    },
    failure::failed,
    join_gateway::JoinGateway,
    other_backends::clear::clear_others,
    worker_locks::WorkerLocks,
};

/// Workers as containers, which run on when the manager ends and are taken on again by the next one.
#[derive(Debug)]
pub struct Docker {
    data: PathBuf,
    pub(super) settings: DockerSettings,
    program: WorkerBinary,
    /// Where workers dial over the network.
    gateway: Option<JoinGateway>,
}

impl Docker {
    /// Keeps what it must remember in that data directory. The engine is the one that `DOCKER_HOST` names, else that of
    /// this machine. `program` is run in every container, and must call [`run_container_worker`](crate::docker::run_container_worker).
    pub fn new(data: impl Into<PathBuf>, settings: DockerSettings, program: WorkerBinary) -> Self {
        let gateway = settings.manager.as_ref().map(|url| JoinGateway::new(program.clone(), url.clone()));
        Self { data: data.into(), settings, program, gateway }
    }

    /// What the HTTP server needs at which workers dial; nothing where they dial a socket.
    #[must_use]
    pub fn gateway(&self) -> Option<JoinGateway> {
        self.gateway.clone()
    }
}

#[async_trait]
impl Backend for Docker {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        let engine = Engine::connect().await?;
        if !engine.is_local() && self.settings.manager.is_none() {
            let message = format!(
                "the container engine {} is not on this machine, so its workers need an address to dial; set one that \
                 they can reach with pod serve --docker-manager, for example http://10.0.0.7:8080, or give each execution \
                 a container of its own with --docker-isolation execution",
                engine.host()
            );
            return Err(ProvisionError::permanent(message));
        }
        let unusable = |error| failed(format_args!("the directory {} cannot be used", self.data.display()), error);
        let directories = Directories::open(&self.data, CONTAINERS).map_err(unusable)?;
        let lock = DataDirLock::take_for_workers(directories.data(), "docker.lock").await?;
        clear_others(&self.data, &context, NAME, Some(EngineIdentity::of_engine(&engine).await?)).await?;
        let known = directories.all().map_err(unusable)?;
        if let Some(gateway) = &self.gateway {
            gateway.open_for(context.store);
        }
        let shared = Arc::new(Shared {
            directories,
            engine,
            settings: self.settings,
            program: self.program,
            gateway: self.gateway,
            context,
            tracked: Mutex::default(),
            turns: WorkerLocks::default(),
            images: Mutex::default(),
            _lock: lock,
        });
        for (worker, record) in known {
            match record {
                Some(ours) if ours.store == shared.context.store => shared.take_on(ours).await?,
                other => shared.clear_foreign(worker, other).await?,
            }
        }
        tokio::spawn(watch::watch(shared.clone()));
        Ok(Arc::new(Containers(shared)))
    }
}

/// Removes every container and volume that a data directory knows of, and returns when they are gone. For a manager
/// that was there for a single run and has stopped.
pub fn end_containers(data: &Path) -> BoxFuture<'_, ()> {
    Box::pin(async move {
        let known = Directories::below(data, CONTAINERS).all().unwrap_or_default();
        if known.is_empty() {
            return;
        }
        let engine = match Engine::connect().await {
            Ok(engine) => engine,
            Err(error) => return tracing::warn!(%error, "the containers of the workers could not be removed"),
        };
        // What they were stays written down: the next manager sees at once that they are gone.
        for record in known.into_iter().filter_map(|(_, record)| record) {
            if let Err(error) = container::remove(&engine, record.store, record.worker).await {
                tracing::warn!(%error, worker = %record.worker, "a container could not be removed");
            }
        }
    })
}

#[derive(Debug)]
struct Containers(Arc<Shared>);

impl Shared {
    /// Takes a worker of an earlier manager on, if its container runs.
    async fn take_on(self: &Arc<Self>, record: WorkerRecord) -> Result<(), ProvisionError> {
        let worker = record.worker;
        match container::state(&self.engine, record.store, worker).await? {
            State::Running => {
                if let Some(gateway) = &self.gateway {
                    let dir = self.directories.of(worker);
                    gateway.take_on(&dir, record).map_err(|error| {
                        failed(format_args!("the join token of worker {worker} cannot be read"), error)
                    })?;
                }
                let listener = self.listen(worker)?;
                self.tracked().insert(worker, listener);
                Ok(())
            }
            state => {
                let reason = container::epitaph(&self.engine, record.store, worker, state).await;
                let links = self.context.links.clone();
                // The engine takes news only when its backend has started.
                tokio::spawn(async move { links.report_lost(worker, reason).await });
                Ok(())
            }
        }
    }

    /// Ends what an earlier store of this data directory has left. Other containers of the engine are not ours.
    async fn clear_foreign(&self, worker: WorkerId, found: Option<WorkerRecord>) -> Result<(), ProvisionError> {
        if let Some(record) = found {
            container::remove(&self.engine, record.store, worker).await?;
        }
        self.directories.remove(worker).map_err(|error| failed("what an earlier worker left cannot be deleted", error))
    }

    /// Listens for a worker, where it dials a socket.
    fn listen(&self, worker: WorkerId) -> Result<Option<DropGuard>, ProvisionError> {
        if !self.dials_here() {
            return Ok(None);
        }
        let end = CancellationToken::new();
        let dir = self.link_dir(worker);
        link::listen(&dir, worker, &self.context, end.clone())
            .map_err(|error| failed(format_args!("{} cannot be listened in", dir.display()), error))?;
        Ok(Some(end.drop_guard()))
    }

    async fn make(&self, record: WorkerRecord) -> Result<(), ProvisionError> {
        let worker = record.worker;
        let written = self.directories.make(record).and_then(|dir| match &self.gateway {
            Some(gateway) => gateway.expect(&dir, record).map(|token| Some(gateway.address_for(&token))),
            None => Ok(None),
        });
        let address = written.map_err(|error| failed("a worker cannot be written down", error))?;
        let image = image::ensure(&self.engine, &self.settings.image, Some((&*self.context.links, worker))).await?;
        container::remove(&self.engine, record.store, worker).await?;
        let listener = self.listen(worker)?;
        launch::start(self, record, &image, address.as_ref()).await?;
        self.tracked().insert(worker, listener);
        // One that ended before it was watched is no news to anybody else.
        match container::state(&self.engine, record.store, worker).await? {
            State::Running => Ok(()),
            state => {
                let message = container::epitaph(&self.engine, record.store, worker, state).await;
                Err(ProvisionError::new(message))
            }
        }
    }

    /// As if it had never been made.
    async fn unmake(&self, record: WorkerRecord) -> Result<(), ProvisionError> {
        self.tracked().remove(&record.worker);
        if let Some(gateway) = &self.gateway {
            gateway.let_out(record.worker);
        }
        container::remove(&self.engine, record.store, record.worker).await?;
        self.directories
            .remove(record.worker)
            .map_err(|error| failed(format_args!("the directory of worker {} stays", record.worker), error))
    }
}

#[async_trait]
impl Provisioner for Containers {
    fn name(&self) -> &str {
        NAME
    }

    async fn create(&self, worker: WorkerId, spec: &WorkerSpec) -> Result<(), ProvisionError> {
        let shared = &self.0;
        let _turn = shared.turns.of(worker).lock_owned().await;
        if shared.tracked().contains_key(&worker)
            && container::state(&shared.engine, spec.store, worker).await? == State::Running
        {
            return Ok(());
        }
        let record = WorkerRecord { store: spec.store, worker, slots: spec.slots };
        let made = shared.make(record).await;
        if made.is_err()
            && let Err(error) = shared.unmake(record).await
        {
            tracing::warn!(%worker, %error, "what was made of a worker could not be removed");
        }
        made
    }

    async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        let turn = self.0.turns.of(worker);
        let _turn = turn.lock().await;
        self.0.unmake(WorkerRecord { store: self.0.context.store, worker, slots: 0 }).await?;
        self.0.turns.forget(worker);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Machine>, ProvisionError> {
        container::list(&self.0.engine, self.0.context.store).await
    }
}

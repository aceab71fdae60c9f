//! Workers as tasks of a Docker Swarm.
//!
//! A worker is a service of one task that is never restarted, so that removing the service removes that worker and no
//! other. The task's first process is a script for `bash` that fetches POD's program from the manager, with the task's own
//! join token, and becomes it: no node needs anything of POD beforehand. See decision 11.
//!
//! | module | what it does |
//! |---|---|
//! | `address` | where tasks dial the manager |
//! | `left_behind` | its workers, as another backend finds them |
//! | `nodes` | the names of nodes, and those where tasks have lately failed |
//! | `service` | makes, lists and removes the service and the secret of a worker |
//! | `shared` | what all of these need |
//! | `task` | how a worker's task stands, and why it ended |
//! | `watch` | news of tasks that end behind our back |
//! | `join.sh` | what runs in a task before anything of POD is there |
//!
//! What a data directory holds:
//!
//! ```text
//! swarm/12/worker.json  whose worker 12 is; read by the next manager
//! swarm/12/join-token   by what its task is known
//! ```

mod address;
pub(crate) mod left_behind;
mod nodes;
pub(crate) mod service;
mod shared;
mod task;
mod watch;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bollard::models::LocalNodeState;
use pod_core::{
    domain::{Isolation, WorkerId},
    provisioner::{Backend, BackendContext, Machine, ProvisionError, Provisioner, WorkerSpec},
};
use tokio::time::sleep;

pub use self::service::HOME;
use self::{
    address::Address,
    nodes::FailedNodes,
    service::PLACE,
    shared::{NAME, Shared, TASKS},
    task::Standing,
};
use crate::{
    data_dir::{
        directory::{Directories, WorkerRecord},
        lock::DataDirLock,
    },
    docker::{
        client::{engine::Engine, identity::EngineIdentity},
        settings::DockerSettings,
        worker_binary::WorkerBinary,
    },
    failure::failed,
    join_gateway::JoinGateway,
    other_backends::clear::clear_others,
    worker_locks::WorkerLocks,
};

/// Between two looks at a task that is on its way.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Workers as tasks of a swarm, which run on when the manager ends and are taken on again by the next one.
#[derive(Debug)]
pub struct Swarm {
    data: PathBuf,
    settings: DockerSettings,
    address: Address,
    gateway: JoinGateway,
    engine: Option<String>,
}

impl Swarm {
    /// Keeps what it must remember in that data directory. The engine, a manager of its swarm, is the one that
    /// `DOCKER_HOST` names, else that of this machine. `program` is run in every task, and must call
    /// [`run_container_worker`](crate::docker::run_container_worker) with [`HOME`]. Settings that no task can have are
    /// refused.
    pub fn new(
        data: impl Into<PathBuf>,
        settings: DockerSettings,
        program: WorkerBinary,
    ) -> Result<Self, ProvisionError> {
        let refuse = |message: String| Err(ProvisionError::new(message));
        let address = match &settings.manager {
            Some(manager) => Address::parse(manager)?,
            None => return Err(address::missing()),
        };
        let network = settings.network.as_deref();
        if network == Some("none") {
            return refuse(
                "--docker-network is none, and tasks of a swarm dial the manager; choose another".to_owned(),
            );
        }
        if address.is_loopback() && network != Some("host") {
            return refuse(format!(
                "--docker-manager is {}, which in a task is the task itself; set an address of this machine that tasks of \
                 the swarm reach, or --docker-network host on a swarm of this machine alone",
                address.url
            ));
        }
        if settings.isolation == Isolation::Execution {
            return refuse("a swarm cannot give each execution a container; use --docker-isolation worker".to_owned());
        }
        if settings.mounts.iter().any(|mount| mount.target == std::path::Path::new(PLACE)) {
            return refuse(format!("POD itself needs {PLACE} in the tasks of a swarm; mount something else than that"));
        }
        let gateway = JoinGateway::new(program, address.url.clone());
        Ok(Self { data: data.into(), settings, address, gateway, engine: None })
    }

    /// The same on another engine than `DOCKER_HOST` says.
    #[must_use]
    pub fn of_engine(self, host: impl Into<String>) -> Self {
        Self { engine: Some(host.into()), ..self }
    }

    /// What the HTTP server needs at which tasks dial.
    #[must_use]
    pub fn gateway(&self) -> JoinGateway {
        self.gateway.clone()
    }
}

#[async_trait]
impl Backend for Swarm {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        let engine = match self.engine {
            Some(host) => Engine::connect_to(host).await?,
            None => Engine::connect().await?,
        };
        check_swarm(&engine).await?;
        let unusable = |error| failed(format_args!("the directory {} cannot be used", self.data.display()), error);
        let directories = Directories::open(&self.data, TASKS).map_err(unusable)?;
        let lock = DataDirLock::take_for_workers(directories.data(), "swarm.lock").await?;
        clear_others(&self.data, &context, NAME, Some(EngineIdentity::of_swarm(&engine).await?)).await?;
        let known = directories.all().map_err(unusable)?;
        self.gateway.open_for(context.store);
        let shared = Arc::new(Shared {
            directories,
            engine,
            settings: self.settings,
            address: self.address,
            gateway: self.gateway,
            context,
            tracked: Mutex::default(),
            failed_nodes: FailedNodes::default(),
            turns: WorkerLocks::default(),
            _lock: lock,
        });
        for (worker, record) in known {
            match record {
                Some(ours) if ours.store == shared.context.store => shared.take_on(ours).map_err(unusable)?,
                other => shared.clear_foreign(worker, other).await?,
            }
        }
        tokio::spawn(watch::watch(shared.clone()));
        Ok(Arc::new(Tasks(shared)))
    }
}

/// Refuses an engine that cannot make services.
async fn check_swarm(engine: &Engine) -> Result<(), ProvisionError> {
    let info = engine.docker.info().await.map_err(|error| engine.failed("the swarm cannot be looked at", &error))?;
    let swarm = info.swarm.unwrap_or_default();
    let what = match swarm.local_node_state {
        Some(LocalNodeState::ACTIVE) if swarm.control_available == Some(true) => return Ok(()),
        Some(LocalNodeState::ACTIVE) => {
            "is a worker of its swarm, and only a manager can make services; name one with DOCKER_HOST, or promote this \
             node (docker node promote)"
        }
        Some(LocalNodeState::LOCKED) => "has locked its swarm; unlock it (docker swarm unlock)",
        Some(LocalNodeState::PENDING | LocalNodeState::ERROR) => {
            "is not in its swarm at the moment; docker info tells why"
        }
        _ => "is in no swarm; make one (docker swarm init), or use --backend docker",
    };
    Err(ProvisionError::new(format!("the container engine at {} {what}", engine.host())))
}

#[derive(Debug)]
struct Tasks(Arc<Shared>);

impl Shared {
    /// Takes a worker of an earlier manager on. If its task has ended, the watch tells.
    fn take_on(&self, record: WorkerRecord) -> io::Result<()> {
        self.gateway.take_on(&self.directories.of(record.worker), record)?;
        self.tracked().insert(record.worker);
        Ok(())
    }

    /// Ends what an earlier store of this data directory has left. Other services of the swarm are not ours.
    async fn clear_foreign(&self, worker: WorkerId, found: Option<WorkerRecord>) -> Result<(), ProvisionError> {
        if let Some(record) = found {
            service::remove(&self.engine, record.store, worker).await?;
        }
        self.directories.remove(worker).map_err(|error| failed("what an earlier worker left cannot be deleted", error))
    }

    /// Whether its service is there, by what this manager knows it, and its task has not ended.
    async fn is_made(&self, worker: WorkerId) -> Result<bool, ProvisionError> {
        if !self.gateway.expects(worker) || !service::exists(&self.engine, self.context.store, worker).await? {
            return Ok(false);
        }
        // A service that was made just now has no task yet.
        let tasks = task::of_worker(&self.engine, self.context.store, worker).await?;
        Ok(tasks.iter().all(|task| task::standing(task) != Standing::Ended))
    }

    async fn make(&self, record: WorkerRecord) -> Result<(), ProvisionError> {
        let worker = record.worker;
        // What an earlier try has left.
        self.unmake(record).await?;
        let written = self.directories.make(record).and_then(|dir| self.gateway.expect(&dir, record));
        let token = written.map_err(|error| failed("a worker cannot be written down", error))?;
        service::make(self, worker, &token).await
    }

    /// Waits until its task runs, and tells meanwhile how far that is.
    async fn see_it_run(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        let mut told = String::new();
        loop {
            if !self.gateway.expects(worker) {
                return Err(ProvisionError::new("it was destroyed before its task ran".to_owned()));
            }
            let tasks = task::of_worker(&self.engine, self.context.store, worker).await?;
            match tasks.first().map(|task| (task, task::standing(task))) {
                Some((_, Standing::Runs)) => {
                    let note = format!("its task runs and is to dial the manager at {}", self.address.url);
                    self.context.links.report_progress(worker, note).await;
                    self.tracked().insert(worker);
                    return Ok(());
                }
                // Ended with its worker, and not by its node.
                Some((_, Standing::Ended)) if !self.gateway.expects(worker) => continue,
                Some((task, Standing::Ended)) => {
                    self.failed_nodes.add(task.node_id.as_deref());
                    let message = task::epitaph(&self.engine, &self.settings.image, task).await;
                    return Err(ProvisionError::new(message));
                }
                Some((_, Standing::Waits(note))) if note != told => {
                    self.context.links.report_progress(worker, note.clone()).await;
                    told = note;
                }
                _ => {}
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// As if it had never been made.
    async fn unmake(&self, record: WorkerRecord) -> Result<(), ProvisionError> {
        let worker = record.worker;
        self.gateway.let_out(worker);
        self.tracked().remove(&worker);
        service::remove(&self.engine, record.store, worker).await?;
        self.directories
            .remove(worker)
            .map_err(|error| failed(format_args!("the directory of worker {worker} stays"), error))
    }
}

#[async_trait]
impl Provisioner for Tasks {
    fn name(&self) -> &str {
        NAME
    }

    async fn create(&self, worker: WorkerId, spec: &WorkerSpec) -> Result<(), ProvisionError> {
        let shared = &self.0;
        let record = WorkerRecord { store: spec.store, worker, slots: spec.slots };
        let made = {
            let _turn = shared.turns.of(worker).lock_owned().await;
            if shared.is_made(worker).await? { Ok(()) } else { shared.make(record).await }
        };
        // Not in its turn: a task may wait for long, and is to be destroyed meanwhile if nobody needs it any more.
        let runs = match made {
            Ok(()) => shared.see_it_run(worker).await,
            failed => failed,
        };
        if runs.is_err() {
            let _turn = shared.turns.of(worker).lock_owned().await;
            if let Err(error) = shared.unmake(record).await {
                tracing::warn!(%worker, %error, "what was made of a worker could not be removed");
            }
        }
        runs
    }

    async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        // Ends the wait of whoever creates it.
        self.0.gateway.let_out(worker);
        let turn = self.0.turns.of(worker);
        let _turn = turn.lock().await;
        self.0.unmake(WorkerRecord { store: self.0.context.store, worker, slots: 0 }).await?;
        self.0.turns.forget(worker);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Machine>, ProvisionError> {
        service::list(&self.0.engine, self.0.context.store).await
    }
}

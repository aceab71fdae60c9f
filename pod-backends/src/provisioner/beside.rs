//! Workers of the same data directory that belong to another backend. The one that starts does not reach them: they
//! would run on while they are held for lost, and what they run would run a second time beside them.

use std::path::Path;

use pod_core::{
    domain::{StoreId, WorkerId},
    provisioner::{BackendContext, ProvisionError},
};

use super::local::{directory::Directories, end_worker_processes, failed, process::WorkerProcess};
#[cfg(feature = "docker")]
use super::{
    docker::{
        container::{self, State},
        end_containers, end_isolated_workers,
        engine::Engine,
    },
    swarm,
};
use crate::executor::process::clear;

/// The part of a data directory with the workers that are processes of this machine, or of the manager.
pub(crate) const LOCAL: &str = "workers";
/// The same, where each execution has a container of its own.
#[cfg(feature = "docker")]
pub(crate) const ISOLATED: &str = "isolated";
#[cfg(feature = "docker")]
pub(crate) const CONTAINERS: &str = "docker";
#[cfg(feature = "docker")]
pub(crate) const TASKS: &str = "swarm";

/// As the command line calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Local,
    #[cfg(feature = "docker")]
    Docker,
    #[cfg(feature = "docker")]
    Swarm,
}

impl Family {
    const ALL: &[Self] = &[
        Self::Local,
        #[cfg(feature = "docker")]
        Self::Docker,
        #[cfg(feature = "docker")]
        Self::Swarm,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            #[cfg(feature = "docker")]
            Self::Docker => "docker",
            #[cfg(feature = "docker")]
            Self::Swarm => "swarm",
        }
    }

    /// The parts of a data directory that it has for itself.
    fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Local => &[LOCAL],
            #[cfg(feature = "docker")]
            Self::Docker => &[CONTAINERS, ISOLATED],
            #[cfg(feature = "docker")]
            Self::Swarm => &[TASKS],
        }
    }

    /// Those of its workers that run.
    async fn running(self, data: &Path, store: StoreId) -> Result<Vec<WorkerId>, ProvisionError> {
        match self {
            Self::Local => processes(data, LOCAL, store),
            #[cfg(feature = "docker")]
            Self::Docker => {
                let mut running = processes(data, ISOLATED, store)?;
                let states = container::list_states(&Engine::connect().await?, store).await?;
                running.extend(states.iter().filter(|(_, state)| *state == State::Running).map(|(worker, _)| worker));
                Ok(running)
            }
            #[cfg(feature = "docker")]
            Self::Swarm => swarm::services(&Engine::connect().await?, store).await,
        }
    }

    /// Ends whatever it has running.
    async fn end(self, data: &Path) {
        match self {
            Self::Local => end_worker_processes(data).await,
            #[cfg(feature = "docker")]
            Self::Docker => {
                end_isolated_workers(data).await;
                end_containers(data).await;
            }
            #[cfg(feature = "docker")]
            Self::Swarm => swarm::end_tasks(data).await,
        }
    }
}

/// Sees to it that no worker of another backend runs beside those of the one that starts. Such as hold attempts are a
/// reason to refuse; the others are ended, and held for gone at once.
pub(crate) async fn clear_others(data: &Path, context: &BackendContext, own: Family) -> Result<(), ProvisionError> {
    for other in Family::ALL.iter().filter(|other| **other != own) {
        let (name, own) = (other.name(), own.name());
        let mut workers = Vec::new();
        for part in other.parts() {
            workers.extend(known(data, part, context.store)?);
        }
        if workers.is_empty() {
            continue;
        }
        let mut busy: Vec<_> = workers.iter().filter(|worker| context.busy.contains(worker)).collect();
        match other.running(data, context.store).await {
            Ok(running) => busy.retain(|worker| running.contains(worker)),
            // An engine that was only tried once need not be there for ever.
            Err(error) if busy.is_empty() => {
                tracing::warn!(%error, backend = name, "whether workers of another backend run still cannot be told");
            }
            Err(error) => {
                let parts = other.parts().iter().map(|part| data.join(part).display().to_string()).collect::<Vec<_>>();
                return Err(ProvisionError::new(format!(
                    "workers that --backend {name} has launched may be at work still, out of the reach of --backend {own}, \
                     and nobody can tell: {}; where they are gone for good, delete {}",
                    error.message,
                    parts.join(" and ")
                )));
            }
        }
        if !busy.is_empty() {
            let numbers = busy.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            return Err(ProvisionError::lasting(format!(
                "workers that --backend {name} has launched are at work still, out of the reach of --backend {own}; start \
                 the manager with --backend {name}, let them end (pod drain {numbers} --wait), and then change to \
                 --backend {own}"
            )));
        }
        other.end(data).await;
        // What is written down of them is forgotten when it has led to all that there was.
        if other.running(data, context.store).await.is_ok_and(|running| running.is_empty()) {
            for part in other.parts() {
                let directories = Directories::below(data, part);
                for worker in known(data, part, context.store)? {
                    clear(&directories.of(worker)).await.map_err(|error| ProvisionError::new(error.message))?;
                }
            }
        }
        let links = context.links.clone();
        // The engine that hears this runs when its backend does.
        tokio::spawn(async move {
            for worker in workers {
                links.gone(worker, format!("it was a worker of --backend {name}")).await;
            }
        });
    }
    Ok(())
}

fn processes(data: &Path, part: &'static str, store: StoreId) -> Result<Vec<WorkerId>, ProvisionError> {
    let mut running = Vec::new();
    for worker in known(data, part, store)? {
        let dir = Directories::below(data, part).of(worker);
        let process = WorkerProcess::find(&dir);
        if process
            .map_err(|error| failed(format_args!("the worker in {} cannot be found", dir.display()), error))?
            .is_some()
        {
            running.push(worker);
        }
    }
    Ok(running)
}

/// The workers of a store that are written down in a part of a data directory.
fn known(data: &Path, part: &'static str, store: StoreId) -> Result<Vec<WorkerId>, ProvisionError> {
    let directories = Directories::below(data, part);
    let all = directories
        .all()
        .map_err(|error| failed(format_args!("{} cannot be read", data.join(part).display()), error))?;
    let ours = all.into_iter().filter(|(_, found)| found.is_some_and(|certificate| certificate.store == store));
    Ok(ours.map(|(worker, _)| worker).collect())
}

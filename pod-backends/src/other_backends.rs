//! Workers of the same data directory that the backend which starts does not reach: of another backend, or on another
//! engine. They would run on while they are held for lost, and what they run would run a second time beside them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use futures::future::join_all;
use pod_core::{
    domain::{StoreId, WorkerId},
    provisioner::{BackendContext, ProvisionError},
};
use serde::{Deserialize, Serialize};

use crate::{
    data_dir::directory::{Directories, LOCAL},
    docker::{
        client::{
            container::{self, State},
            engine::Engine,
        },
        executor::containers::remove_all,
    },
    failure::failed,
    local::process::WorkerProcess,
    private, process,
    swarm::service,
};

/// The part of a data directory with the workers that are containers.
pub(crate) const CONTAINERS: &str = "docker";
/// With those each of whose executions is a container.
pub(crate) const ISOLATED: &str = "isolated";
/// With those that are tasks of a swarm.
pub(crate) const TASKS: &str = "swarm";

/// The backends, as the command line calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackendKind {
    Local,
    Docker,
    Swarm,
}

/// The engine, or the swarm, of workers.
#[derive(Debug, Serialize, Deserialize)]
struct EngineIdentity {
    /// How it was reached.
    host: String,
    /// What tells it from any other, however it is reached.
    id: String,
}

/// A worker that is written down, and in which part.
type Known = (&'static str, WorkerId);

impl BackendKind {
    const ALL: [Self; 3] = [Self::Local, Self::Docker, Self::Swarm];

    fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Docker => "docker",
            Self::Swarm => "swarm",
        }
    }

    /// The parts of a data directory that it has for itself.
    fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Local => &[LOCAL],
            Self::Docker => &[CONTAINERS, ISOLATED],
            Self::Swarm => &[TASKS],
        }
    }

    /// Its workers that are written down.
    fn known(self, data: &Path, store: StoreId) -> Result<Vec<Known>, ProvisionError> {
        let mut known = Vec::new();
        for part in self.parts() {
            let all = Directories::below(data, part).all();
            let all =
                all.map_err(|error| failed(format_args!("{} cannot be read", data.join(part).display()), error))?;
            let ours = all.into_iter().filter(|(_, found)| found.is_some_and(|record| record.store == store));
            known.extend(ours.map(|(worker, _)| (*part, worker)));
        }
        Ok(known)
    }

    async fn place(self, engine: &Engine) -> Result<EngineIdentity, ProvisionError> {
        let info = engine.docker.info().await.map_err(|error| engine.failed("it cannot be asked who it is", &error))?;
        let id = match self {
            Self::Swarm => info.swarm.and_then(|swarm| swarm.cluster).and_then(|cluster| cluster.id),
            // Engines of one machine may have the same identity, and not the same directory.
            _ => info.id.map(|id| format!("{id} {}", info.docker_root_dir.unwrap_or_default())),
        };
        Ok(EngineIdentity { host: engine.host().to_owned(), id: id.unwrap_or_default() })
    }

    /// The engine of its workers, or the one that has taken its place, with which they are gone; none where they need none.
    async fn reach(self, place: Option<&EngineIdentity>) -> Result<Option<Engine>, ProvisionError> {
        match (self, place) {
            (Self::Local, _) => Ok(None),
            (_, None) => Engine::connect().await.map(Some),
            (_, Some(place)) => Engine::connect_to(place.host.clone()).await.map(Some),
        }
    }

    /// Those of its workers that run.
    async fn running(
        self,
        data: &Path,
        store: StoreId,
        known: &[Known],
        engine: Option<&Engine>,
    ) -> Result<Vec<WorkerId>, ProvisionError> {
        let mut running = Vec::new();
        for (part, worker) in known.iter().filter(|(part, _)| [LOCAL, ISOLATED].contains(part)) {
            let dir = Directories::below(data, part).of(*worker);
            let process = WorkerProcess::find(&dir);
            let cannot = |error| failed(format_args!("the worker in {} cannot be found", dir.display()), error);
            running.extend(process.map_err(cannot)?.map(|_| *worker));
        }
        match (self, engine) {
            (Self::Docker, Some(engine)) => {
                let states = container::list_states(engine, store).await?;
                running.extend(states.iter().filter(|(_, state)| *state == State::Running).map(|(worker, _)| worker));
            }
            (Self::Swarm, Some(engine)) => {
                running.extend(service::list(engine, store).await?.into_iter().map(|machine| machine.worker))
            }
            _ => {}
        }
        Ok(running)
    }
}

/// Sees to it that no worker runs beside those of the backend that starts, with its engine where it needs one. Such as
/// hold attempts are a reason to refuse; the others are ended, and held for gone at once.
pub(crate) async fn clear_others(
    data: &Path,
    context: &BackendContext,
    own: BackendKind,
    engine: Option<&Engine>,
) -> Result<(), ProvisionError> {
    let place = match engine {
        Some(engine) => Some(own.place(engine).await?),
        None => None,
    };
    for family in BackendKind::ALL {
        let known = family.known(data, context.store)?;
        let there = read_place(data, family);
        let is_reached = family == own
            && there.as_ref().is_none_or(|there| place.as_ref().is_some_and(|place| place.id == there.id));
        if !known.is_empty() && !is_reached {
            clear(data, context, family, known, there.as_ref(), own).await?;
        }
    }
    if let Some(place) = place {
        let path = place_path(data, own);
        let written = serde_json::to_vec(&place).map_err(io::Error::from).and_then(|text| {
            let mut file = private::file().create(true).truncate(true).write(true).open(&path)?;
            io::Write::write_all(&mut file, &text)
        });
        written.map_err(|error| failed(format_args!("{} cannot be written", path.display()), error))?;
    }
    Ok(())
}

async fn clear(
    data: &Path,
    context: &BackendContext,
    family: BackendKind,
    known: Vec<Known>,
    there: Option<&EngineIdentity>,
    own: BackendKind,
) -> Result<(), ProvisionError> {
    let (name, own) = (family.name(), own.name());
    let at = there.map(|there| format!(" (DOCKER_HOST={})", there.host)).unwrap_or_default();
    tracing::info!(backend = name, workers = known.len(), "looking for workers that this backend does not reach");
    let mut busy = known.clone();
    busy.retain(|(_, worker)| context.busy.contains(worker));
    let mut engine = None;
    let running = async {
        engine = family.reach(there).await?;
        family.running(data, context.store, &known, engine.as_ref()).await
    };
    match running.await {
        Ok(running) => busy.retain(|(_, worker)| running.contains(worker)),
        // An engine that was only tried once need not be there for ever.
        Err(error) if busy.is_empty() => {
            tracing::warn!(%error, backend = name, "whether workers of another backend run still cannot be told");
        }
        Err(error) => {
            let parts = family.parts().iter().map(|part| data.join(part).display().to_string()).collect::<Vec<_>>();
            return Err(ProvisionError::new(format!(
                "workers that --backend {name}{at} has launched may be at work still, out of the reach of this --backend \
                 {own}, and nobody can tell: {}; where they are gone for good, delete {}",
                error.message,
                parts.join(" and ")
            )));
        }
    }
    if !busy.is_empty() {
        let numbers = busy.iter().map(|(_, worker)| worker.to_string()).collect::<Vec<_>>().join(" ");
        return Err(ProvisionError::permanent(format!(
            "workers that --backend {name}{at} has launched are at work still, or have results to deliver, out of the reach \
             of this --backend {own}; start the manager as before (pod serve --backend {name}), let them end (pod drain \
             {numbers} --wait), and then change; or give this one another --data-dir"
        )));
    }
    let engine = engine.as_ref();
    let ended = join_all(known.iter().map(|known| end(data, context.store, family, *known, engine))).await;
    for ((_, worker), error) in known.iter().zip(ended).filter_map(|(known, ended)| Some((known, ended.err()?))) {
        tracing::warn!(%worker, %error, backend = name, "what is left of a worker of another backend could not be removed");
    }
    let links = context.links.clone();
    // The engine that hears this runs when its backend does.
    tokio::spawn(async move {
        for (_, worker) in known {
            links.report_lost(worker, format!("it was a worker of --backend {name}{at}")).await;
        }
    });
    Ok(())
}

/// Ends a worker with all that it has, and forgets it. Without its engine, what is there stays written down.
async fn end(
    data: &Path,
    store: StoreId,
    family: BackendKind,
    (part, worker): Known,
    engine: Option<&Engine>,
) -> Result<(), ProvisionError> {
    let dir = Directories::below(data, part).of(worker);
    let cannot = |error| failed(format_args!("the worker in {} cannot be ended", dir.display()), error);
    WorkerProcess::end_in(&dir).await.map_err(cannot)?;
    match (family, engine) {
        (BackendKind::Local, _) => {}
        (_, None) => return Ok(()),
        (BackendKind::Docker, Some(engine)) if part == CONTAINERS => container::remove(engine, store, worker).await?,
        (BackendKind::Docker, Some(engine)) => remove_all(engine, store, worker).await?,
        (BackendKind::Swarm, Some(engine)) => service::remove(engine, store, worker).await?,
    }
    process::clear(&dir).await.map_err(|error| ProvisionError::new(error.message))
}

fn place_path(data: &Path, family: BackendKind) -> PathBuf {
    data.join(format!("{}.engine", family.name()))
}

fn read_place(data: &Path, family: BackendKind) -> Option<EngineIdentity> {
    serde_json::from_slice(&fs::read(place_path(data, family)).ok()?).ok()
}

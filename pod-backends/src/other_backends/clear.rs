//! Sees to it that no worker runs beside those of the backend that starts.

use std::{collections::HashSet, path::Path};

use futures::future::join_all;
use pod_core::{
    domain::WorkerId,
    provisioner::{BackendContext, ProvisionError},
};

use super::left_behind::{LeftBehind, LeftWorker};
use crate::{
    data_dir::directory::Directories,
    docker::{client::identity::EngineIdentity, left_behind::DockerLeft},
    failure::failed,
    local::left_behind::LocalLeft,
    swarm::left_behind::SwarmLeft,
};

/// Whatever can have left workers in a data directory.
fn all(data: &Path, context: &BackendContext) -> [Box<dyn LeftBehind>; 3] {
    [
        Box::new(LocalLeft(data.to_owned())),
        Box::new(DockerLeft::of(data.to_owned(), context.store)),
        Box::new(SwarmLeft::of(data.to_owned(), context.store)),
    ]
}

/// Looks for workers that were made by others than the backend of that name on that engine, which starts. Such as hold
/// attempts are a reason to refuse; the others are ended, and held for gone at once.
pub(crate) async fn clear_others(
    data: &Path,
    context: &BackendContext,
    own: &'static str,
    engine: Option<EngineIdentity>,
) -> Result<(), ProvisionError> {
    let all = all(data, context);
    refuse_unknown(context, own, &all)?;
    for left in all {
        let is_reached =
            left.name() == own && left.engine().is_none_or(|there| engine.as_ref().is_some_and(|here| here.is(there)));
        let workers = if is_reached { Vec::new() } else { workers_of(data, context, &*left)? };
        if !workers.is_empty() {
            clear(data, context, left, workers, own).await?;
        }
    }
    engine.map_or(Ok(()), |engine| engine.write(data, own))
}

/// The workers that a backend has left: those whose rows name it, and those in its parts of the data directory, which may
/// have been made before rows did so, or have no row any more.
fn workers_of(data: &Path, context: &BackendContext, left: &dyn LeftBehind) -> Result<Vec<LeftWorker>, ProvisionError> {
    let mut workers = Vec::new();
    for part in left.parts() {
        let all = Directories::below(data, part).all();
        let all = all.map_err(|error| failed(format_args!("{} cannot be read", data.join(part).display()), error))?;
        let ours = all.into_iter().filter(|(_, found)| found.is_some_and(|record| record.store == context.store));
        workers.extend(ours.map(|(id, _)| LeftWorker { part, id }));
    }
    let written_down: HashSet<WorkerId> = workers.iter().map(|worker| worker.id).collect();
    let named = context.workers.iter().filter(|worker| worker.backend.as_deref() == Some(left.name()));
    let missing = named.filter(|worker| !written_down.contains(&worker.id));
    let (part, missing) = (left.parts()[0], missing.map(|worker| worker.id));
    workers.extend(missing.map(|id| LeftWorker { part, id }));
    Ok(workers)
}

/// Workers of a backend that this program does not have cannot be looked for.
fn refuse_unknown(context: &BackendContext, own: &str, all: &[Box<dyn LeftBehind>]) -> Result<(), ProvisionError> {
    let is_known = |name: &str| name == own || all.iter().any(|left| left.name() == name);
    let foreign = |name: &&str| !is_known(name);
    let busy = context.workers.iter().filter(|worker| worker.busy);
    match busy.filter_map(|worker| worker.backend.as_deref()).find(foreign) {
        None => Ok(()),
        Some(name) => Err(ProvisionError::permanent(format!(
            "workers that the backend {name:?} has made hold executions, and this program does not have it; start the \
             manager as before, let them end (pod drain), and then change"
        ))),
    }
}

async fn clear(
    data: &Path,
    context: &BackendContext,
    mut left: Box<dyn LeftBehind>,
    workers: Vec<LeftWorker>,
    own: &'static str,
) -> Result<(), ProvisionError> {
    let name = left.name();
    let at = left.engine().map(|there| format!(" (DOCKER_HOST={})", there.host())).unwrap_or_default();
    tracing::info!(backend = name, workers = workers.len(), "looking for workers that this backend does not reach");
    let mut busy: Vec<WorkerId> = workers.iter().map(|worker| worker.id).filter(|id| context.is_busy(*id)).collect();
    match left.running(&workers).await {
        Ok(running) => busy.retain(|worker| running.contains(worker)),
        // An engine that was only tried once need not be there for ever.
        Err(error) if busy.is_empty() => {
            tracing::warn!(%error, backend = name, "whether workers of another backend run still cannot be told");
        }
        Err(error) => {
            let parts = left.parts().iter().map(|part| data.join(part).display().to_string()).collect::<Vec<_>>();
            return Err(ProvisionError::new(format!(
                "workers that --backend {name}{at} has launched may be at work still, out of the reach of this --backend \
                 {own}, and nobody can tell: {}; where they are gone for good, delete {}",
                error.message,
                parts.join(" and ")
            )));
        }
    }
    if !busy.is_empty() {
        let numbers = busy.iter().map(WorkerId::to_string).collect::<Vec<_>>().join(" ");
        return Err(ProvisionError::permanent(format!(
            "workers that --backend {name}{at} has launched are at work still, or have results to deliver, out of the reach \
             of this --backend {own}; start the manager as before (pod serve --backend {name}), let them end (pod drain \
             {numbers} --wait), and then change; or give this one another --data-dir"
        )));
    }
    let ended = join_all(workers.iter().map(|worker| left.end(*worker))).await;
    for (worker, error) in workers.iter().zip(ended).filter_map(|(worker, ended)| Some((worker.id, ended.err()?))) {
        tracing::warn!(%worker, %error, backend = name, "what is left of a worker of another backend could not be removed");
    }
    let links = context.links.clone();
    // The engine that hears this runs when its backend does.
    tokio::spawn(async move {
        for worker in workers {
            links.report_lost(worker.id, format!("it was a worker of --backend {name}{at}")).await;
        }
    });
    Ok(())
}

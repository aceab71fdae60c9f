//! Containers, volumes and snapshots of workers: what they have in common, by which labels they are found, how they stand
//! and are removed.

use std::{collections::HashMap, time::Duration};

use bollard::{
    errors::Error,
    models::{
        ContainerCreateBody, ContainerSummaryStateEnum, HealthConfig, HostConfig, ImageSummary, Mount as EngineMount,
        MountType, MountVolumeOptions,
    },
    query_parameters::{
        ContainerArchiveInfoOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder,
        ListVolumesOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    },
};
use futures::StreamExt;
use pod_core::{
    domain::{StoreId, Timestamp, WorkerId},
    provisioner::{Machine, MachineState, ProvisionError},
};
use tokio::time::{Instant, sleep};

use super::{
    engine::{Engine, has_status, is_missing},
    image::Image,
};
use crate::docker::settings::{DockerSettings, INSTALLING, MountSource};

/// Whose a container or volume is.
pub(crate) const STORE_LABEL: &str = "pod.store";
pub(crate) const WORKER_LABEL: &str = "pod.worker";

/// What is being removed may take so long to go.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// So many lines of a container's log tell why it ended.
const LAST_LINES: &str = "3";

/// How a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    /// It is there, and nothing runs in it.
    Ended,
    Absent,
}

/// The name of a worker's container, and of its volume. A part of the store's identity is enough to tell two apart.
pub(crate) fn name(store: StoreId, worker: WorkerId) -> String {
    let store = store.0.simple().to_string();
    format!("pod-{}-{worker}", &store[..12])
}

/// What tells whose something is.
pub(crate) fn labels(store: StoreId, worker: WorkerId) -> HashMap<String, String> {
    [(STORE_LABEL, store.to_string()), (WORKER_LABEL, worker.to_string())]
        .into_iter()
        .map(|(label, value)| (label.to_owned(), value))
        .collect()
}

/// A volume with these labels at a path of a container, which goes with it.
pub(crate) fn own_volume(labels: HashMap<String, String>, target: &str) -> EngineMount {
    EngineMount {
        typ: Some(MountType::VOLUME),
        target: Some(target.to_owned()),
        volume_options: Some(MountVolumeOptions { labels: Some(labels), ..MountVolumeOptions::default() }),
        ..EngineMount::default()
    }
}

fn filters_of(store: StoreId, worker: WorkerId) -> HashMap<&'static str, Vec<String>> {
    HashMap::from([("label", vec![format!("{STORE_LABEL}={store}"), format!("{WORKER_LABEL}={worker}")])])
}

/// The containers of a worker, by their ids.
pub(crate) async fn containers_of(
    engine: &Engine,
    store: StoreId,
    worker: WorkerId,
) -> Result<Vec<String>, ProvisionError> {
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters_of(store, worker)).build();
    let found = engine.docker.list_containers(Some(options)).await;
    let found = found.map_err(|error| engine.failed("the containers cannot be listed", &error))?;
    Ok(found.into_iter().filter_map(|container| container.id).collect())
}

/// The volumes of a worker, by their names.
pub(crate) async fn volumes_of(
    engine: &Engine,
    store: StoreId,
    worker: WorkerId,
) -> Result<Vec<String>, ProvisionError> {
    let options = ListVolumesOptionsBuilder::default().filters(&filters_of(store, worker)).build();
    let found = engine.docker.list_volumes(Some(options)).await;
    let found = found.map_err(|error| engine.failed("the volumes cannot be listed", &error))?;
    Ok(found.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect())
}

/// The snapshots of a worker.
pub(crate) async fn images_of(
    engine: &Engine,
    store: StoreId,
    worker: WorkerId,
) -> Result<Vec<ImageSummary>, ProvisionError> {
    let options = ListImagesOptionsBuilder::default().filters(&filters_of(store, worker)).build();
    let found = engine.docker.list_images(Some(options)).await;
    found.map_err(|error| engine.failed("the snapshots cannot be listed", &error))
}

/// How a worker's container stands.
pub(crate) async fn state(engine: &Engine, store: StoreId, worker: WorkerId) -> Result<State, ProvisionError> {
    match engine.docker.inspect_container(&name(store, worker), None).await {
        Ok(found) if found.state.as_ref().and_then(|state| state.running) == Some(true) => Ok(State::Running),
        Ok(_) => Ok(State::Ended),
        Err(error) if is_missing(&error) => Ok(State::Absent),
        Err(error) => Err(engine.failed(format_args!("the container of worker {worker} cannot be looked at"), &error)),
    }
}

/// The workers of a store that have a container, with how each stands.
pub(crate) async fn list_states(engine: &Engine, store: StoreId) -> Result<Vec<(WorkerId, State)>, ProvisionError> {
    let of = |machine: Machine| match machine.state {
        MachineState::Running => (machine.worker, State::Running),
        _ => (machine.worker, State::Ended),
    };
    Ok(list(engine, store).await?.into_iter().map(of).collect())
}

/// The containers of a store's workers.
pub(crate) async fn list(engine: &Engine, store: StoreId) -> Result<Vec<Machine>, ProvisionError> {
    let filters = HashMap::from([("label", vec![format!("{STORE_LABEL}={store}")])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let found = engine.docker.list_containers(Some(options)).await;
    let found = found.map_err(|error| engine.failed("the containers cannot be listed", &error))?;
    let machines = found.into_iter().filter_map(|container| {
        let worker = container.labels?.get(WORKER_LABEL)?.parse().ok()?;
        use ContainerSummaryStateEnum::{CREATED, PAUSED, REMOVING, RESTARTING, RUNNING};
        let state = match container.state {
            Some(RUNNING | PAUSED | RESTARTING) => MachineState::Running,
            Some(CREATED) => MachineState::Starting,
            Some(REMOVING) => MachineState::Stopping,
            _ => MachineState::Stopped,
        };
        let machine = container.id.into_iter().fold(Machine::new(worker, state), Machine::with_id);
        let created = container.created.map(|seconds| Timestamp(seconds.saturating_mul(1000)));
        Some(created.into_iter().fold(machine, Machine::created_at))
    });
    Ok(machines.collect())
}

/// Removes a worker's container with all that runs in it, and its volume; returns when they are gone.
pub(crate) async fn remove(engine: &Engine, store: StoreId, worker: WorkerId) -> Result<(), ProvisionError> {
    let name = name(store, worker);
    let docker = &engine.docker;
    let deadline = Instant::now() + REMOVAL_TIMEOUT;
    let in_time = |error: &Error| has_status(error, 409) && Instant::now() < deadline;
    loop {
        match try_to_remove(engine, &name).await {
            Ok(()) => break,
            // It is being removed already: it is gone when it cannot be found.
            Err(error) if in_time(&error) => sleep(POLL_INTERVAL).await,
            Err(error) => return Err(engine.failed(format_args!("the container {name} cannot be removed"), &error)),
        }
    }
    loop {
        match docker.remove_volume(&name, None::<RemoveVolumeOptions>).await {
            Ok(()) => return Ok(()),
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) if in_time(&error) => sleep(POLL_INTERVAL).await,
            Err(error) => return Err(engine.failed(format_args!("the volume {name} cannot be removed"), &error)),
        }
    }
}

/// Removes a container with all that runs in it. It is gone when this is no error.
pub(crate) async fn try_to_remove(engine: &Engine, container: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match engine.docker.remove_container(container, Some(options)).await {
        Err(error) if is_missing(&error) => Ok(()),
        outcome => outcome,
    }
}

/// Refuses a container of an image that has no `bash`.
pub(crate) async fn check_bash(
    engine: &Engine,
    container: &str,
    image: &Image,
    settings: &DockerSettings,
) -> Result<(), ProvisionError> {
    for dir in image.path.split(':').filter(|dir| dir.starts_with('/')) {
        let path = format!("{dir}/bash");
        let options = ContainerArchiveInfoOptionsBuilder::default().path(&path).build();
        match engine.docker.get_container_archive_info(container, Some(options)).await {
            Err(error) if is_missing(&error) => {}
            // Why a container cannot be looked into is told, as this is not, when something is put into it.
            Ok(_) | Err(_) => return Ok(()),
        }
    }
    let hidden = if settings.mounts.is_empty() { "" } else { ", with what is mounted over it," };
    let message = format!(
        "the image {}{hidden} has no bash, which installation scripts run with; choose one that has, or install it there",
        settings.image
    );
    Err(ProvisionError::permanent(message))
}

/// The environment that the settings add.
pub(crate) fn environment(settings: &DockerSettings) -> Vec<String> {
    settings.env.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// How many seconds `docker stop` leaves a worker to leave: what it runs has its grace time, and is told of.
const STOP_WITHIN: i64 = 30;

/// What all containers have in common.
pub(crate) fn plain(settings: &DockerSettings) -> ContainerCreateBody {
    ContainerCreateBody {
        user: settings.user.clone(),
        working_dir: Some("/".to_owned()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        stop_signal: Some("SIGTERM".to_owned()),
        stop_timeout: Some(STOP_WITHIN),
        ..ContainerCreateBody::default()
    }
}

/// What the settings let containers see.
pub(crate) fn wanted_mounts(settings: &DockerSettings) -> impl Iterator<Item = EngineMount> {
    settings.mounts.iter().map(|mount| {
        let (typ, source) = match &mount.source {
            MountSource::Path(path) => (MountType::BIND, path.display().to_string()),
            MountSource::Volume(name) => (MountType::VOLUME, name.clone()),
        };
        EngineMount {
            typ: Some(typ),
            source: Some(source),
            target: Some(mount.target.display().to_string()),
            read_only: Some(mount.read_only),
            ..EngineMount::default()
        }
    })
}

/// What a container of the settings may do, beside `usual`: every other capability is dropped.
pub(crate) fn capabilities(settings: &DockerSettings, usual: &[&str]) -> Vec<String> {
    let wanted = usual.iter().map(|&name| name.to_owned()).chain(settings.capabilities.iter().cloned());
    let mut all: Vec<String> = wanted.collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The limits of a container in which something is installed.
pub(crate) fn limits(settings: &DockerSettings, mounts: Vec<EngineMount>) -> HostConfig {
    let memory = settings.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    HostConfig {
        memory,
        // As much with swap as without: no swap.
        memory_swap: memory,
        #[allow(clippy::cast_possible_truncation, reason = "a number of CPUs that was checked")]
        nano_cpus: settings.cpus.map(|cpus| (cpus * 1e9).round() as i64),
        pids_limit: settings.pids.map(i64::from),
        network_mode: settings.network.clone(),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(capabilities(settings, &INSTALLING)),
        // No program becomes more than who started it, by whatever the image holds.
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        readonly_rootfs: Some(settings.read_only),
        tmpfs: settings.read_only.then(|| HashMap::from([("/tmp".to_owned(), "exec,mode=1777".to_owned())])),
        mounts: Some(mounts),
        ..HostConfig::default()
    }
}

/// Why a worker's container does not run, as a sentence.
pub(crate) async fn epitaph(engine: &Engine, store: StoreId, worker: WorkerId, state: State) -> String {
    let name = name(store, worker);
    let found = match engine.docker.inspect_container(&name, None).await {
        Ok(found) if state != State::Absent => found.state.unwrap_or_default(),
        _ => return format!("its container {name} was removed by somebody else than its manager"),
    };
    let said = last_words(engine, &name).await;
    let said = if said.is_empty() { String::new() } else { format!("; it said last: {said}") };
    let error = found.error.filter(|error| !error.is_empty()).map(|error| format!(" ({error})")).unwrap_or_default();
    match found.exit_code.unwrap_or_default() {
        137 => format!("its container {name} was killed{error}{said}"),
        code => format!("its container {name} ended with exit code {code}{error}{said}"),
    }
}

async fn last_words(engine: &Engine, name: &str) -> String {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(LAST_LINES).build();
    let mut logs = engine.docker.logs(name, Some(options));
    let mut text = String::new();
    while let Some(Ok(line)) = logs.next().await {
        text.push_str(&String::from_utf8_lossy(&line.into_bytes()));
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

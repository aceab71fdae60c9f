//! The service and the secret of a worker: made, listed by their labels, removed.

use std::{collections::HashMap, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bollard::{
    models::{
        HealthConfig, Limit, NetworkAttachmentConfig, Platform, SecretSpec, ServiceSpec, ServiceSpecMode,
        ServiceSpecModeReplicated, TaskSpec, TaskSpecContainerSpec, TaskSpecContainerSpecFile,
        TaskSpecContainerSpecPrivileges, TaskSpecContainerSpecSecrets, TaskSpecPlacement, TaskSpecResources,
        TaskSpecRestartPolicy, TaskSpecRestartPolicyConditionEnum,
    },
    query_parameters::{
        InspectServiceOptions, ListSecretsOptionsBuilder, ListServicesOptionsBuilder, RemoveVolumeOptions,
    },
};
use pod_core::{
    domain::{StoreId, WorkerId},
    provisioner::{Machine, MachineState, ProvisionError},
};
use tokio::time::{Instant, sleep};

use super::{shared::Shared, task};
use crate::docker::{
    client::{
        container::{
            STORE_LABEL, WORKER_LABEL, capabilities, containers_of, environment, labels, name, own_volume,
            try_to_remove, volumes_of, wanted_mounts,
        },
        engine::{Engine, architecture, is_missing},
    },
    settings::INSTALLING,
};

/// Where the volume of a task is seen.
pub(super) const PLACE: &str = "/tmp";
/// Where everything of POD is in a task.
pub const HOME: &str = "/tmp/.pod";
/// What runs first in a task.
const JOIN: &str = include_str!("join.sh");
/// For how many seconds a task tries to reach the manager.
const STOP_GRACE_SECONDS: &str = "30";
/// What is being removed may take so long to go.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Between TERM and KILL, where the swarm ends a task by itself: a worker leaves meanwhile, with what it runs.
const GRACE: Duration = Duration::from_secs(30);
/// The swarm puts the name of the node in.
const NODE_NAME: &str = "{{.Node.Hostname}}";
/// Anybody in the task may read it: in an image the worker may be any user.
const READABLE: u32 = 0o444;

/// Makes a worker's secret and its service. What was made stays where this fails: the caller removes it.
pub(super) async fn make(shared: &Shared, worker: WorkerId, token: &str) -> Result<(), ProvisionError> {
    let (engine, store) = (&shared.engine, shared.context.store);
    let name = name(store, worker);
    let secret = SecretSpec {
        name: Some(name.clone()),
        labels: Some(labels(store, worker)),
        data: Some(BASE64_STANDARD.encode(token)),
        ..SecretSpec::default()
    };
    let made = engine.docker.create_secret(secret).await;
    let secret = made.map_err(|error| engine.failed(format_args!("the secret {name} cannot be made"), &error))?;
    let constraints = shared.failed_nodes.constraints(engine).await;
    let service = spec(shared, worker, &name, secret.id, constraints);
    match engine.docker.create_service(service, None).await {
        Ok(_) => Ok(()),
        Err(error) => Err(engine.failed(format_args!("the service {name} cannot be made"), &error)),
    }
}

fn spec(shared: &Shared, worker: WorkerId, name: &str, secret: String, constraints: Vec<String>) -> ServiceSpec {
    let settings = &shared.settings;
    let labels = labels(shared.context.store, worker);
    // A directory that all users may write to in nearly every image: so is the volume that takes its place.
    let place = own_volume(labels.clone(), PLACE);
    let container = TaskSpecContainerSpec {
        image: Some(settings.image.clone()),
        labels: Some(labels.clone()),
        // So a worker says on which node it is.
        hostname: Some(NODE_NAME.to_owned()),
        command: Some(command(shared)),
        env: Some(environment(settings)),
        dir: Some("/".to_owned()),
        user: settings.user.clone(),
        capability_drop: Some(vec!["ALL".to_owned()]),
        capability_add: Some(capabilities(settings, &INSTALLING)),
        // Engines before 27 pass over it.
        privileges: Some(TaskSpecContainerSpecPrivileges {
            no_new_privileges: Some(true),
            ..TaskSpecContainerSpecPrivileges::default()
        }),
        read_only: Some(settings.read_only),
        mounts: Some([place].into_iter().chain(wanted_mounts(settings)).collect()),
        stop_signal: Some("SIGTERM".to_owned()),
        stop_grace_period: i64::try_from(GRACE.as_nanos()).ok(),
        health_check: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        secrets: Some(vec![TaskSpecContainerSpecSecrets {
            file: Some(TaskSpecContainerSpecFile {
                name: Some("pod-join-token".to_owned()),
                uid: Some("0".to_owned()),
                gid: Some("0".to_owned()),
                mode: Some(READABLE),
            }),
            secret_id: Some(secret),
            secret_name: Some(name.to_owned()),
        }]),
        ..TaskSpecContainerSpec::default()
    };
    let limits = Limit {
        #[allow(clippy::cast_possible_truncation, reason = "a number of CPUs that was checked")]
        nano_cpus: settings.cpus.map(|cpus| (cpus * 1e9).round() as i64),
        memory_bytes: settings.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        pids: settings.pids.map(i64::from),
    };
    let network = settings
        .network
        .clone()
        .map(|target| vec![NetworkAttachmentConfig { target: Some(target), ..NetworkAttachmentConfig::default() }]);
    ServiceSpec {
        name: Some(name.to_owned()),
        labels: Some(labels),
        task_template: Some(TaskSpec {
            container_spec: Some(container),
            resources: Some(TaskSpecResources { limits: Some(limits), ..TaskSpecResources::default() }),
            // A worker that has ended is replaced by another one, or by none: that is the policy's to say.
            restart_policy: Some(TaskSpecRestartPolicy {
                condition: Some(TaskSpecRestartPolicyConditionEnum::NONE),
                ..TaskSpecRestartPolicy::default()
            }),
            placement: Some(TaskSpecPlacement {
                constraints: Some(constraints),
                platforms: Some(vec![Platform {
                    architecture: Some(architecture().to_owned()),
                    os: Some("linux".to_owned()),
                }]),
                ..TaskSpecPlacement::default()
            }),
            networks: network,
            ..TaskSpec::default()
        }),
        mode: Some(ServiceSpecMode {
            replicated: Some(ServiceSpecModeReplicated { replicas: Some(1) }),
            ..ServiceSpecMode::default()
        }),
        ..ServiceSpec::default()
    }
}

fn command(shared: &Shared) -> Vec<String> {
    let address = &shared.address;
    let mut command: Vec<String> = [
        "bash",
        "-c",
        JOIN,
        "pod",
        &address.host,
        &address.port.to_string(),
        address.authority(),
        HOME,
        STOP_GRACE_SECONDS,
    ]
    .map(str::to_owned)
    .into();
    command.extend(shared.gateway.command(HOME));
    command
}

/// Whether a worker has a service.
pub(super) async fn exists(engine: &Engine, store: StoreId, worker: WorkerId) -> Result<bool, ProvisionError> {
    let name = name(store, worker);
    match engine.docker.inspect_service(&name, None::<InspectServiceOptions>).await {
        Ok(_) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(engine.failed(format_args!("the service {name} cannot be looked at"), &error)),
    }
}

/// The workers of a store that have a service or, where their making was broken off, a secret.
pub(crate) async fn list(engine: &Engine, store: StoreId) -> Result<Vec<Machine>, ProvisionError> {
    let filters = HashMap::from([("label", vec![format!("{STORE_LABEL}={store}")])]);
    let services = engine.docker.list_services(Some(ListServicesOptionsBuilder::default().filters(&filters).build()));
    let services = services.await.map_err(|error| engine.failed("the services cannot be listed", &error))?;
    let secrets = engine.docker.list_secrets(Some(ListSecretsOptionsBuilder::default().filters(&filters).build()));
    let secrets = secrets.await.map_err(|error| engine.failed("the secrets cannot be listed", &error))?;
    let worker = |labels: &HashMap<String, String>| labels.get(WORKER_LABEL)?.parse::<WorkerId>().ok();
    // Whether a task of a service runs is not asked: it runs somewhere, or will.
    let services = services.into_iter().filter_map(|service| {
        let spec = service.spec?;
        let machine = Machine::new(worker(&spec.labels?)?, MachineState::Unknown);
        Some(spec.name.into_iter().fold(machine, Machine::with_id))
    });
    // A secret without a service is what is left of a worker.
    let secrets = secrets.into_iter().filter_map(|secret| {
        let spec = secret.spec?;
        let machine = Machine::new(worker(&spec.labels?)?, MachineState::Stopped);
        Some(spec.name.into_iter().fold(machine, Machine::with_id))
    });
    let mut machines: Vec<Machine> = services.chain(secrets).collect();
    machines.sort_by_key(|machine| machine.worker);
    machines.dedup_by_key(|machine| machine.worker);
    Ok(machines)
}

/// Removes a worker's service with all that runs in its task, and its secret; returns when they are gone. A task of a
/// node that is down counts as gone: the swarm ends it when that node is back.
pub(crate) async fn remove(engine: &Engine, store: StoreId, worker: WorkerId) -> Result<(), ProvisionError> {
    let name = name(store, worker);
    match engine.docker.delete_service(&name).await {
        Err(error) if !is_missing(&error) => {
            return Err(engine.failed(format_args!("the service {name} cannot be removed"), &error));
        }
        _ => {}
    }
    let deadline = Instant::now() + REMOVAL_TIMEOUT;
    loop {
        // First, so that no container comes after them.
        let tasks = task::of_worker(engine, store, worker).await?;
        let here = remove_what_is_here(engine, store, worker).await?;
        if here == 0 && (tasks.is_empty() || task::are_all_out_of_reach(engine, &tasks).await) {
            break;
        }
        if Instant::now() >= deadline {
            let message = format!("the task of the service {name} was removed and has not ended yet");
            return Err(ProvisionError::new(message));
        }
        sleep(POLL_INTERVAL).await;
    }
    loop {
        match engine.docker.delete_secret(&name).await {
            Ok(()) => return Ok(()),
            Err(error) if is_missing(&error) => return Ok(()),
            // For a moment it is still in use.
            Err(_) if Instant::now() < deadline => sleep(POLL_INTERVAL).await,
            Err(error) => return Err(engine.failed(format_args!("the secret {name} cannot be removed"), &error)),
        }
    }
}

/// Removes the container and the volume of a worker's task where they are of this engine, which is faster about it than
/// the swarm, and forgets none whose container somebody else has removed. How many there were.
async fn remove_what_is_here(engine: &Engine, store: StoreId, worker: WorkerId) -> Result<usize, ProvisionError> {
    let containers = containers_of(engine, store, worker).await?;
    for container in &containers {
        // Somebody else may be about it: it is looked at again.
        let _ = try_to_remove(engine, container).await;
    }
    let volumes = volumes_of(engine, store, worker).await?;
    for volume in &volumes {
        let _ = engine.docker.remove_volume(volume, None::<RemoveVolumeOptions>).await;
    }
    Ok(containers.len() + volumes.len())
}

//! Makes the container of a worker: its volume, what it may see and use, and POD's program in it.

use bollard::{
    errors::Error,
    models::{ContainerCreateBody, Mount as EngineMount, MountType, VolumeCreateRequest},
    query_parameters::{CreateContainerOptionsBuilder, UploadToContainerOptionsBuilder},
};
use pod_core::provisioner::ProvisionError;

use super::shared::Shared;
use crate::{
    data_dir::directory::WorkerRecord,
    docker::{
        client::{
            container::{check_bash, environment, labels, limits, name, plain, wanted_mounts},
            image::Image,
        },
        places::{HOME, LINK},
        settings::ManagerAddress,
    },
};

/// Makes a worker's container and starts it. What was made stays where this fails: the caller removes it.
pub(super) async fn start(
    shared: &Shared,
    record: WorkerRecord,
    image: &Image,
    manager: Option<&ManagerAddress>,
) -> Result<(), ProvisionError> {
    let WorkerRecord { store, worker, .. } = record;
    let (engine, docker, settings) = (&shared.engine, &shared.engine.docker, &shared.settings);
    let name = name(store, worker);
    let cannot = |error: Error| engine.failed(format_args!("a container of {} cannot be made", settings.image), &error);
    let volume = VolumeCreateRequest {
        name: Some(name.clone()),
        labels: Some(labels(store, worker)),
        ..VolumeCreateRequest::default()
    };
    docker.create_volume(volume).await.map_err(cannot)?;
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    docker.create_container(Some(options), body(shared, record, &name)).await.map_err(cannot)?;
    check(shared, &name, image).await?;
    let options = UploadToContainerOptionsBuilder::default().path(HOME).build();
    let archive = shared.program.archive(record, manager);
    docker
        .upload_to_container(&name, Some(options), bollard::body_stream(futures::stream::iter(archive)))
        .await
        .map_err(|error| {
            engine.failed(format_args!("POD's program cannot be put into the container {name}"), &error)
        })?;
    docker
        .start_container(&name, None)
        .await
        .map_err(|error| engine.failed(format_args!("a container of {} cannot be started", settings.image), &error))
}

/// Refuses an image that cannot run scripts. Looked at once per image.
async fn check(shared: &Shared, name: &str, image: &Image) -> Result<(), ProvisionError> {
    let known = || shared.images.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if known().contains(&image.id) {
        return Ok(());
    }
    check_bash(&shared.engine, name, image, &shared.settings).await?;
    known().push(image.id.clone());
    Ok(())
}

fn body(shared: &Shared, record: WorkerRecord, name: &str) -> ContainerCreateBody {
    let settings = &shared.settings;
    let WorkerRecord { store, worker, .. } = record;
    let mut mounts = vec![EngineMount {
        typ: Some(MountType::VOLUME),
        source: Some(name.to_owned()),
        target: Some(HOME.to_owned()),
        ..EngineMount::default()
    }];
    if shared.dials_here() {
        mounts.push(EngineMount {
            typ: Some(MountType::BIND),
            source: Some(shared.link_dir(worker).display().to_string()),
            target: Some(LINK.to_owned()),
            read_only: Some(true),
            ..EngineMount::default()
        });
    }
    mounts.extend(wanted_mounts(settings));
    ContainerCreateBody {
        image: Some(settings.image.clone()),
        entrypoint: Some(shared.program.command()),
        cmd: Some(Vec::new()),
        env: Some(environment(settings)),
        labels: Some(labels(store, worker)),
        host_config: Some(limits(settings, mounts)),
        ..plain(settings)
    }
}

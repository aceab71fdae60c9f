//! A first container, before any execution depends on one: what is wrong with the settings is told in the state of a
//! worker, and not as the fault of an activity.

use bollard::{
    errors::Error,
    models::ContainerCreateBody,
    query_parameters::{CreateContainerOptions, StartContainerOptions, WaitContainerOptions},
};
use futures::StreamExt;
use pod_core::provisioner::ProvisionError;

use crate::{
    data_dir::directory::WorkerRecord,
    docker::{
        client::{
            container::{check_bash, environment, labels, limits, plain, try_to_remove, wanted_mounts},
            engine::Engine,
            image::Image,
        },
        settings::DockerSettings,
    },
};

/// Starts one as those of a worker's executions are, with nothing to do, and removes it. A call that is broken off may
/// leave it, by the labels of that worker.
pub(super) async fn run(
    engine: &Engine,
    settings: &DockerSettings,
    WorkerRecord { store, worker, .. }: WorkerRecord,
    image: &Image,
) -> Result<(), ProvisionError> {
    let body = ContainerCreateBody {
        image: Some(settings.image.clone()),
        entrypoint: Some(["bash", "-c", "true"].map(str::to_owned).to_vec()),
        cmd: Some(Vec::new()),
        env: Some(environment(settings)),
        labels: Some(labels(store, worker)),
        host_config: Some(limits(settings, wanted_mounts(settings).collect())),
        ..plain(settings)
    };
    let cannot = |what: &str, error: &Error| {
        engine.failed(format_args!("a container of {} cannot be {what}", settings.image), error)
    };
    let made = engine.docker.create_container(None::<CreateContainerOptions>, body).await;
    let id = made.map_err(|error| cannot("made", &error))?.id;
    let outcome = async {
        check_bash(engine, &id, image, settings).await?;
        let started = engine.docker.start_container(&id, None::<StartContainerOptions>).await;
        started.map_err(|error| cannot("started", &error))?;
        let mut end = engine.docker.wait_container(&id, None::<WaitContainerOptions>);
        // A code that is not 0 is an error to the library; it is read below.
        let _ = end.next().await;
        let found = engine.docker.inspect_container(&id, None).await.map_err(|error| cannot("looked at", &error))?;
        let state = found.state.unwrap_or_default();
        let what = match state.exit_code {
            _ if state.oom_killed == Some(true) => "ran out of memory; raise --docker-memory".to_owned(),
            Some(0) => return Ok(()),
            code => format!(
                "ended with exit code {}; see what docker run {} bash -c true says",
                code.unwrap_or(-1),
                settings.image
            ),
        };
        Err(ProvisionError::permanent(format!("bash in a container of {} {what}", settings.image)))
    }
    .await;
    if let Err(error) = try_to_remove(engine, &id).await {
        tracing::warn!(%error, container = id, "a container could not be removed");
    }
    outcome
}

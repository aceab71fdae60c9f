//! The containers and snapshots of a worker: made, removed, found by their labels.

use std::{collections::HashMap, path::Path, time::Duration};

use bollard::{
    errors::Error,
    models::{ContainerCreateBody, HostConfigLogConfig},
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, KillContainerOptionsBuilder,
        RemoveImageOptionsBuilder, RemoveVolumeOptions, UploadToContainerOptionsBuilder,
    },
};
use bytes::Bytes;
use futures::StreamExt;
use pod_core::{
    domain::{AttemptOutcome, Network, StoreId, Workdir, WorkerId},
    provisioner::ProvisionError,
};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::{
    fence::{FENCING, given_up, has_fence, nobody, unfenced},
    files::{self, Found},
    output::Output,
    shared::{Key, Shared},
};
use crate::{
    docker::{
        client::{
            container::{
                capabilities, containers_of, images_of, labels, limits, name, own_volume, plain, try_to_remove,
                volumes_of, wanted_mounts,
            },
            engine::{Engine, has_status, is_missing, is_silence},
        },
        places::{ACTIVITY, HOME},
        settings::{DockerSettings, PIDS_OF_AN_EXECUTION},
    },
    process::{
        entry::Entry,
        failure::{explain as explain_not_started, no_place},
        wire::{BEGIN, End},
    },
};

/// Between two tries to reach an engine that does not answer.
pub(super) const SILENCE_PAUSE: Duration = Duration::from_millis(500);
/// An engine that answers, and cannot remove a container within this time, does not get on with it.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(60);

/// A container whose end is not told has lost its engine.
const END_TOLD_WITHIN: Duration = Duration::from_secs(30);

/// What is installed in a snapshot, and how its `main.sh` is run.
const KEY_LABEL: &str = "pod.installation";
const ENTRY_LABEL: &str = "pod.entry";
/// What the init in a snapshot and its worker say to each other: a snapshot with another one is not used.
const INIT_LABEL: &str = "pod.init";
const INIT: &str = "4";

/// A snapshot that is there.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) key: Key,
    pub(super) entry: Entry,
}

/// The name of the snapshot of an installation.
pub(super) fn snapshot_name(shared: &Shared, (activity, revision): Key) -> String {
    format!("{}:{activity}-{revision}", name(shared.store, shared.worker))
}

/// The labels of the snapshot of an installation.
pub(super) fn snapshot_labels(shared: &Shared, (activity, revision): Key, entry: Entry) -> HashMap<String, String> {
    let mut all = labels(shared.store, shared.worker);
    all.insert(KEY_LABEL.to_owned(), format!("{activity}-{revision}"));
    all.insert(INIT_LABEL.to_owned(), INIT.to_owned());
    all.insert(ENTRY_LABEL.to_owned(), entry.word().to_owned());
    all
}

/// What a container may write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// All that is kept of it.
    Kept,
    AsConfigured,
    /// Besides, files can be put into this directory before it starts. They go with the container.
    AsConfiguredAnd(&'static str),
}

/// Where a program of a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// In the activity's directory, as it is.
    Activity,
    /// There, with directories for what is temporary and for results: nobody else sees the container's files.
    Own,
    /// In a directory with links to that, or with a copy of it, where the container's own files cannot be written.
    Beside(Workdir),
}

impl Ground {
    pub(super) fn of(workdir: Workdir, settings: &DockerSettings) -> Self {
        match workdir {
            Workdir::Shared => Self::Activity,
            Workdir::Private | Workdir::Copy if settings.read_only => Self::Beside(workdir),
            Workdir::Private | Workdir::Copy => Self::Own,
        }
    }

    /// The word that the init understands.
    const fn word(self) -> &'static str {
        match self {
            Self::Activity => "here",
            Self::Own => "own",
            Self::Beside(Workdir::Copy) => "copy",
            Self::Beside(_) => "links",
        }
    }

    /// The directory itself, where the program is not to share it.
    pub(super) const fn dir(self) -> Option<&'static str> {
        match self {
            Self::Activity => None,
            Self::Own => Some(ACTIVITY),
            Self::Beside(_) => Some("/tmp/pod/d"),
        }
    }
}

/// A container that was made. It is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    /// By which its init is known.
    token: String,
    shared: std::sync::Arc<Shared>,
    removed: bool,
}

impl Container {
    /// Makes one of an image that runs this program there.
    pub(super) async fn make(
        shared: &std::sync::Arc<Shared>,
        image: &str,
        program: &[&str],
        env: Vec<String>,
        ground: Ground,
        network: Network,
        files: Files,
    ) -> Result<Self, Error> {
        let settings = &shared.settings;
        let token = Uuid::new_v4().simple().to_string();
        let mut mounts: Vec<_> = wanted_mounts(settings).collect();
        if let Files::AsConfiguredAnd(dir) = files {
            mounts.push(own_volume(labels(shared.store, shared.worker), dir));
        }
        let mut host = limits(settings, mounts);
        // What it prints is kept by POD, and not a second time by the engine.
        host.log_config = Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None });
        if files == Files::Kept {
            host.readonly_rootfs = Some(false);
        } else {
            host.cap_add = Some(capabilities(settings, &[]));
            host.pids_limit = Some(settings.pids.unwrap_or(PIDS_OF_AN_EXECUTION).into());
        }
        if network == Network::None {
            host.network_mode = Some("none".to_owned());
        }
        let mut base = plain(settings);
        let mut fence = "open".to_owned();
        if has_fence(host.network_mode.as_deref(), settings) {
            let capabilities = host.cap_add.get_or_insert_default();
            fence = format!("fenced:{}", given_up(capabilities));
            let needed = FENCING.iter().map(|&(name, _)| name.to_owned());
            capabilities.extend(needed.filter(|name| !capabilities.contains(name)).collect::<Vec<_>>());
            // Its init becomes the right one.
            base.user = Some("0".to_owned());
        }
        let init = [&format!("{HOME}/pod-spawner"), "init-program", &token, &fence, ground.word()];
        let command = init.iter().chain(program).map(|&word| word.to_owned()).collect();
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(command),
            cmd: Some(Vec::new()),
            env: Some(env),
            working_dir: Some(ACTIVITY.to_owned()),
            labels: Some(labels(shared.store, shared.worker)),
            attach_stdin: Some(true),
            open_stdin: Some(true),
            stdin_once: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            host_config: Some(host),
            ..base
        };
        let made = shared.engine.docker.create_container(Some(CreateContainerOptionsBuilder::default().build()), body);
        let id = made.await?.id;
        Ok(Self { id, token, shared: shared.clone(), removed: false })
    }

    /// Puts the files of an archive below a directory of it.
    pub(super) async fn upload(&self, dir: &str, archive: Vec<u8>) -> Result<(), Error> {
        let options = UploadToContainerOptionsBuilder::default().path(dir).build();
        let body = bollard::body_full(Bytes::from(archive));
        self.shared.engine.docker.upload_to_container(&self.id, Some(options), body).await
    }

    /// Starts it, with its output. Where this fails the program does not run, and never will: it is let go only when the
    /// engine has said that it knows of the started container.
    pub(super) async fn start(&self) -> Result<Output, Error> {
        let docker = &self.shared.engine.docker;
        let options =
            AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true).build();
        let mut attached = docker.attach_container(&self.id, Some(options)).await?;
        docker.start_container(&self.id, None).await?;
        let told = async { attached.input.write_all(&[BEGIN]).await.and(attached.input.flush().await) };
        if let Err(error) = told.await {
            // Its output has ended too, and so does this attempt.
            tracing::warn!(%error, container = self.id, "a container could not be told to begin");
        }
        Ok(Output::new(attached, &self.token))
    }

    /// Sends a signal to it; that it has ended is fine. Whether the engine has done so.
    pub(super) async fn signal(&self, signal: &str) -> bool {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        match self.shared.engine.docker.kill_container(&self.id, Some(options)).await {
            Err(error) if !is_missing(&error) && !has_status(&error, 409) => {
                tracing::warn!(%error, container = self.id, "a container could not be signalled");
                false
            }
            _ => true,
        }
    }

    /// How what ran in it ended, once all of its output is there. Its init tells that, unless it was ended itself.
    pub(super) async fn end(&self, told: Option<End>) -> AttemptOutcome {
        match told {
            Some(End::Exited(0)) => return AttemptOutcome::Exited(0),
            Some(End::OutOfMemory) => return AttemptOutcome::OutOfMemory,
            _ => {}
        }
        // An engine that does not say more takes nothing from what its init has told.
        let ran_out_of_memory = timeout(END_TOLD_WITHIN, self.was_killed_for_memory()).await.unwrap_or(false);
        match told {
            // What its init cannot tell: it was the one that was killed, or does not see the control group.
            _ if ran_out_of_memory => AttemptOutcome::OutOfMemory,
            Some(End::Exited(code)) => AttemptOutcome::Exited(code),
            Some(End::Signalled(signal)) => AttemptOutcome::Signalled(signal),
            Some(End::NotStarted(errno)) => AttemptOutcome::StartFailed(self.not_started(errno).await.into()),
            Some(End::NoPlace(errno)) => AttemptOutcome::StartFailed(no_place(errno, Path::new(ACTIVITY)).into()),
            Some(End::NoUser) => AttemptOutcome::StartFailed(nobody(&self.shared.settings).into()),
            Some(End::NoFence(errno)) => AttemptOutcome::StartFailed(unfenced(errno).into()),
            // Somebody else than POD ended the container.
            _ => AttemptOutcome::Lost,
        }
    }

    /// What the engine says of its end, when that has come.
    async fn was_killed_for_memory(&self) -> bool {
        let docker = &self.shared.engine.docker;
        // A code that is not 0 is an error to the library; what matters is read below.
        let _ = docker.wait_container(&self.id, None).next().await;
        let found = docker.inspect_container(&self.id, None).await;
        found.is_ok_and(|found| found.state.and_then(|state| state.oom_killed) == Some(true))
    }

    async fn not_started(&self, errno: i32) -> String {
        let beginning = match files::download(&self.shared, &self.id, Path::new("main.sh")).await {
            Ok(Some(Found::File(_, content))) => content,
            _ => Vec::new(),
        };
        explain_not_started(errno, &beginning, Path::new(ACTIVITY))
    }

    /// Removes it with all that runs in it, and returns when it is gone. Waits for an engine that does not answer: what
    /// ran here may run there still.
    pub(super) async fn remove(mut self) {
        remove(&self.shared, &self.id).await;
        self.removed = true;
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.removed {
            let (shared, id) = (self.shared.clone(), std::mem::take(&mut self.id));
            let tasks = shared.tasks.clone();
            tasks.spawn(async move { remove(&shared, &id).await });
        }
    }
}

async fn remove(shared: &Shared, id: &str) {
    let deadline = Instant::now() + REMOVAL_TIMEOUT;
    loop {
        match try_to_remove(&shared.engine, id).await {
            Ok(()) => return,
            // Its end did not come in time, a file of it is still in use, or somebody is removing it already.
            Err(error) if (is_silence(&error) || Instant::now() < deadline) && !shared.closing.is_cancelled() => {
                sleep(SILENCE_PAUSE).await;
            }
            // What is left is removed with the worker, or by the next one of its directory.
            Err(error) => return tracing::warn!(%error, container = id, "a container could not be removed"),
        }
    }
}

/// Removes whatever runs for a worker.
pub(super) async fn remove_containers(engine: &Engine, store: StoreId, worker: WorkerId) -> Result<(), ProvisionError> {
    for id in containers_of(engine, store, worker).await? {
        // Somebody may be removing it already.
        if let Err(error) = try_to_remove(engine, &id).await
            && !has_status(&error, 409)
        {
            return Err(engine.failed(format_args!("the container {id} cannot be removed"), &error));
        }
    }
    Ok(())
}

/// What is installed for a worker.
pub(super) async fn snapshots(
    engine: &Engine,
    store: StoreId,
    worker: WorkerId,
) -> Result<Vec<Snapshot>, ProvisionError> {
    Ok(images_of(engine, store, worker)
        .await?
        .into_iter()
        .filter(|image| image.labels.get(INIT_LABEL).is_some_and(|init| init == INIT))
        .filter_map(|image| {
            let (activity, revision) = image.labels.get(KEY_LABEL)?.split_once('-')?;
            let key = (activity.parse().ok()?, revision.parse().ok()?);
            Some(Snapshot { key, entry: Entry::from_word(image.labels.get(ENTRY_LABEL)?)? })
        })
        .collect())
}

/// Removes the snapshot of an installation; one that is not there is fine.
pub(super) async fn remove_snapshot(shared: &Shared, key: Key) -> Result<(), ProvisionError> {
    remove_image(&shared.engine, &snapshot_name(shared, key)).await
}

async fn remove_image(engine: &Engine, image: &str) -> Result<(), ProvisionError> {
    let options = RemoveImageOptionsBuilder::default().force(true).build();
    match engine.docker.remove_image(image, Some(options), None).await {
        Ok(_) => Ok(()),
        Err(error) if is_missing(&error) => Ok(()),
        Err(error) => Err(engine.failed(format_args!("the snapshot {image} cannot be removed"), &error)),
    }
}

/// Removes all that the engine holds for a worker: containers with their volumes first, then snapshots.
pub(crate) async fn remove_all(engine: &Engine, store: StoreId, worker: WorkerId) -> Result<(), ProvisionError> {
    remove_containers(engine, store, worker).await?;
    // An engine that was killed may have made the volume of a container, and not the container.
    for volume in volumes_of(engine, store, worker).await? {
        match engine.docker.remove_volume(&volume, None::<RemoveVolumeOptions>).await {
            Err(error) if !is_missing(&error) => {
                return Err(engine.failed(format_args!("the volume {volume} cannot be removed"), &error));
            }
            _ => {}
        }
    }
    for image in images_of(engine, store, worker).await? {
        remove_image(engine, &image.id).await?;
    }
    Ok(())
}

//! Installing an activity into a snapshot: its script runs in a container of the image and leaves `main.sh`, and the
//! container is kept as an image; or nothing stays.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bollard::{models::ContainerConfig, query_parameters::CommitContainerOptionsBuilder};
use pod_core::{
    domain::{AttemptOutcome, Network, Payload, Stream},
    executor::{InstallError, InstallRequest, OutputSink},
};
use tokio::time::{Instant, sleep_until};

use super::{
    containers::{Container, Files, Ground, remove_snapshot, snapshot_labels, snapshot_name},
    failure::{disk, lasting, passing, provision},
    fence::whom,
    files::{Found, MAX_FILE_LEN, download, file_archive},
    output::Said,
    shared::Shared,
};
use crate::{
    docker::{
        client::{
            container::{check_bash, environment, name},
            image,
        },
        places::{ACTIVITY, HOME},
        worker_binary::{put, put_dir},
    },
    process::{
        archive::{Refused, unpack},
        entry::{BadEntry, Entry},
        install::{bad_entry, wide_script},
        layout::remove_tree,
        program::PROGRAM,
        tail::Tail,
        text::{Script, Unready, make_ready},
    },
};

const SCRIPT: &str = "/.pod/install.sh";

/// Between TERM and KILL for a script whose time is up.
const GRACE: Duration = Duration::from_secs(2);
/// A reader of the output that takes nothing for so long has lost it; the script does not wait for it any longer.
const READER_TAKES_WITHIN: Duration = Duration::from_secs(5);

/// Installs a revision; how its `main.sh` is run. A dropped future removes the container that it made.
pub(super) async fn install(
    shared: &Arc<Shared>,
    request: InstallRequest,
    output: OutputSink,
) -> Result<Entry, InstallError> {
    let key = (request.activity, request.revision);
    let engine = &shared.engine;
    let failed =
        |error: bollard::errors::Error| provision(engine.failed("the installation's container failed", &error));
    remove_snapshot(shared, key).await.map_err(provision)?;
    let base = image::ensure(engine, &shared.settings.image, None).await.map_err(provision)?;
    let scratch =
        Scratch::new(shared.dir.join(format!("unpacked-{}-{}", key.0, key.1))).map_err(|error| disk(&error))?;
    let (files, script) = files(&request.payload, &scratch.0)?;
    let own = own_files(whom(&shared.settings, &base.user)).map_err(|error| disk(&error))?;
    let mut env = environment(&shared.settings);
    env.extend(request.env.iter().map(|(name, value)| format!("{name}={value}")));
    let program = ["bash", script.unwrap_or("-c"), "true"];
    let (image, ground, network) = (&shared.settings.image, Ground::Activity, Network::Default);
    let made = Container::make(shared, image, &program, env, ground, network, Files::Kept).await;
    let container = made.map_err(failed)?;
    check_bash(engine, &container.id, &base, &shared.settings).await.map_err(provision)?;
    container.upload("/", files).await.map_err(failed)?;
    container.upload("/", own.clone()).await.map_err(failed)?;
    if script.is_some() {
        run(shared, &container, &request, output).await?;
        // A script that may do everything may have put something else in their place.
        container.upload("/", own).await.map_err(failed)?;
    }
    let entry = settle_main(shared, &container, &scratch.0).await?;
    let options = CommitContainerOptionsBuilder::default()
        .container(&container.id)
        .repo(&name(shared.store, shared.worker))
        .tag(&format!("{}-{}", key.0, key.1))
        .pause(false)
        .build();
    let labels = Some(snapshot_labels(shared, key, entry));
    let kept = engine.docker.commit_container(options, ContainerConfig { labels, ..ContainerConfig::default() }).await;
    kept.map_err(|error| {
        provision(engine.failed(format_args!("the snapshot {} cannot be made", snapshot_name(shared, key)), &error))
    })?;
    container.remove().await;
    Ok(entry)
}

/// A directory that is deleted when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(dir: PathBuf) -> io::Result<Self> {
        remove_tree(&dir)?;
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(%error, "what was unpacked for an installation could not be deleted");
        }
    }
}

/// What POD itself has in the container, as an archive from its top: the init, and whom that is to run programs as.
fn own_files(user: &str) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    put(&mut archive, &format!("{}/pod-spawner", &HOME[1..]), 0o755, PROGRAM)?;
    put(&mut archive, &format!("{}/user", &HOME[1..]), 0o644, user.as_bytes())?;
    archive.into_inner()
}

/// What is installed, as an archive from the container's top, and the script that is run there, if there is one.
fn files(payload: &Payload, scratch: &Path) -> Result<(Vec<u8>, Option<&'static str>), InstallError> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    let mut build = |script: Option<&[u8]>| {
        if let Some(script) = script {
            put(&mut archive, &SCRIPT[1..], 0o644, script)?;
        }
        archive.append_dir_all(&ACTIVITY[1..], scratch)
    };
    let script = match payload {
        Payload::Script(text) => {
            let text = match Script::of(text) {
                Script::AsItIs => text.to_vec(),
                Script::Clean(text) => text,
                Script::Wide => return Err(wide_script()),
            };
            build(Some(&text)).map_err(|error| disk(&error))?;
            Some(SCRIPT)
        }
        Payload::Archive(bytes) => {
            unpack(bytes, scratch).map_err(|refused| match refused {
                Refused::Content(message) => lasting(message),
                Refused::Io(error) => disk(&error),
            })?;
            let script = scratch.join("install.sh");
            let script = match fs::symlink_metadata(&script) {
                Ok(found) if found.is_file() => {
                    make_ready(&script, false).map_err(|unready| match unready {
                        Unready::Wide => wide_script(),
                        Unready::Io(error) => disk(&error),
                    })?;
                    Some("/activity/install.sh")
                }
                Ok(_) => return Err(lasting("install.sh in the archive is not a regular file")),
                Err(_) => None,
            };
            build(None).map_err(|error| disk(&error))?;
            script
        }
    };
    // The script may run as any user.
    put_dir(&mut archive, &ACTIVITY[1..], 0o777).map_err(|error| disk(&error))?;
    Ok((archive.into_inner().map_err(|error| disk(&error))?, script))
}

/// Runs the script to its end; an error unless it exits with 0.
async fn run(
    shared: &Arc<Shared>,
    container: &Container,
    request: &InstallRequest,
    output: OutputSink,
) -> Result<(), InstallError> {
    let failed = |error| provision(shared.engine.failed("the installation's container cannot be started", &error));
    let mut printing = container.start().await.map_err(failed)?;
    // One for each stream: the engine does not tell which came first.
    let (mut output, mut tails, mut timed_out) = (Some(output), [Tail::default(), Tail::default()], false);
    let mut time = Instant::now() + Duration::from_millis(request.timeout.0);
    loop {
        tokio::select! {
            said = printing.next() => match said {
                Some(Said::Printed(stream, bytes)) => {
                    tails[usize::from(stream == Stream::Stderr)].push(&bytes);
                    if let Some(sink) = &output
                        && !matches!(tokio::time::timeout(READER_TAKES_WITHIN, sink.send((stream, bytes))).await, Ok(Ok(())))
                    {
                        output = None;
                    }
                }
                Some(Said::Hears) => {}
                None => break,
            },
            () = sleep_until(time) => {
                container.signal(if timed_out { "SIGKILL" } else { "SIGTERM" }).await;
                timed_out = true;
                time = Instant::now() + GRACE;
            }
            () = shared.closing.cancelled() => return Err(passing("the worker is shutting down")),
        }
    }
    let what = match container.end(printing.end()).await {
        _ if timed_out => format!("did not end within its time limit of {}", request.timeout),
        AttemptOutcome::Exited(0) => return Ok(()),
        AttemptOutcome::Exited(code) => format!("failed with exit code {code}"),
        AttemptOutcome::Signalled(signal) => format!("was ended by signal {signal}"),
        AttemptOutcome::OutOfMemory => "ran out of memory: the memory of its container was used up".to_owned(),
        AttemptOutcome::StartFailed(why) => return Err(lasting(why.to_string())),
        _ => return Err(passing("the installation's container was ended from outside")),
    };
    let texts = tails.map(|tail| tail.text());
    let printed = match texts.join("\n").trim_matches('\n') {
        "" => "; it printed nothing".to_owned(),
        text => format!("; the end of what it printed:\n{text}"),
    };
    if printed.contains("No space left on device") {
        return Err(passing(format!("the disk of the engine is full: the installation script {what}{printed}")));
    }
    Err(lasting(format!("the installation script {what}{printed}")))
}

/// Looks at the `main.sh` that was left, and makes it ready to run.
async fn settle_main(shared: &Arc<Shared>, container: &Container, scratch: &Path) -> Result<Entry, InstallError> {
    let mut path = PathBuf::from("main.sh");
    for _ in 0..2 {
        let Some(found) = download(shared, &container.id, &path).await? else {
            let is_main = path == Path::new("main.sh");
            return Err(bad_entry(if is_main { BadEntry::Missing } else { BadEntry::NotAFile("a link to nothing") }));
        };
        match found {
            Found::File(mode, content) => {
                let local = scratch.join("main.sh");
                remove_tree(&local).map_err(|error| disk(&error))?;
                fs::write(&local, &content).map_err(|error| disk(&error))?;
                fs::set_permissions(&local, fs::Permissions::from_mode(mode)).map_err(|error| disk(&error))?;
                let entry = Entry::prepare(scratch).map_err(bad_entry)?;
                let ready = fs::read(&local).map_err(|error| disk(&error))?;
                if ready == content && mode & 0o755 == 0o755 {
                    return Ok(entry);
                }
                // The engine puts a new file in its place.
                let archive = file_archive(&path.to_string_lossy(), mode | 0o755, &ready);
                container
                    .upload(ACTIVITY, archive)
                    .await
                    .map_err(|error| provision(shared.engine.failed("main.sh cannot be made ready to run", &error)))?;
                return Ok(entry);
            }
            Found::Large => {
                return Err(lasting(format!(
                    "main.sh is larger than {} MiB; keep what is so large in a file of its own beside it",
                    MAX_FILE_LEN >> 20
                )));
            }
            Found::Link(target)
                if target.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) =>
            {
                path = target;
            }
            Found::Link(_) => return Err(bad_entry(BadEntry::NotAFile("a link to a file outside of the activity"))),
            Found::Other(what) => return Err(bad_entry(BadEntry::NotAFile(what))),
        }
    }
    Err(bad_entry(BadEntry::NotAFile("a link to a link")))
}

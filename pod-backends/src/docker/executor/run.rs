//! One execution in a container of its own.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bollard::errors::Error;
use pod_core::{
    domain::{AttemptOutcome, Millis},
    executor::{ExecutionHandle, RunEvent, StartRequest, StopMode},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{
    containers::{Container, Files, Ground, SILENCE_PAUSE, snapshot_name},
    files::file_archive,
    output::{Output, Said},
    shared::Shared,
};
use crate::{
    docker::client::{
        container::environment,
        engine::{has_status, is_silence, is_without_image},
    },
    process::{
        active::now,
        entry::Entry,
        installed::{Damage, Installation},
        wire::ARGUMENT_LIMIT,
    },
};

/// How many events wait for whoever takes them; beyond that the container waits, too.
const EVENTS: usize = 16;
/// Before a container is killed again, where the engine has not done it.
const KILL_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Where an input lies that is too long for an argument.
const INPUT_DIR: &str = "/.pod/input";
/// Before each further try to start a container, where the engine fails by its own fault.
const RETRY_DELAYS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

/// An execution whose container a task looks after.
#[derive(Debug)]
pub(super) struct ContainerRun {
    events: mpsc::Receiver<RunEvent>,
    /// When it is dropped, the task ends the container.
    stop: watch::Sender<Option<StopMode>>,
}

impl ContainerRun {
    pub(super) fn start(shared: Arc<Shared>, request: StartRequest, installation: Arc<Installation<Entry>>) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let (stop, stopped) = watch::channel(None);
        let tasks = shared.tasks.clone();
        tasks.spawn(async move { Supervisor { shared, request, sender, stopped }.supervise(&installation).await });
        Self { events, stop }
    }

    /// One whose snapshot was found to be gone, and is to be made again.
    pub(super) fn never_begun() -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let end = RunEvent::Ended { end: AttemptOutcome::Recalled, at: now() };
        for event in [RunEvent::InstallationLost, end] {
            // There is room, and somebody to take it.
            let _ = sender.try_send(event);
        }
        Self { events, stop: watch::channel(None).0 }
    }
}

#[async_trait]
impl ExecutionHandle for ContainerRun {
    async fn next(&mut self) -> Option<RunEvent> {
        self.events.recv().await
    }

    fn stop(&mut self, mode: StopMode) {
        self.stop.send_if_modified(|asked| {
            let harder = *asked != Some(StopMode::Kill) && *asked != Some(mode);
            if harder {
                *asked = Some(mode);
            }
            harder
        });
    }
}

struct Supervisor {
    shared: Arc<Shared>,
    request: StartRequest,
    sender: mpsc::Sender<RunEvent>,
    stopped: watch::Receiver<Option<StopMode>>,
}

/// Why a container is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    TimeLimit,
    Order,
    /// Nobody wants it any more.
    Dropped,
}

impl Supervisor {
    async fn supervise(mut self, installation: &Arc<Installation<Entry>>) {
        let end = match self.begin_patiently(installation).await {
            Ok((container, output)) => {
                self.shared.installed.serves((self.request.activity, self.request.revision), installation);
                let end = self.carry_on(&container, output).await;
                container.remove().await;
                end
            }
            Err(end) => end,
        };
        let _ = self.sender.send(RunEvent::Ended { end, at: now() }).await;
    }

    /// Begins as soon as the engine can: one that does not answer is waited for, and one that fails by its own fault, as
    /// it does now and then where it starts many at a time, is tried again a few times.
    async fn begin_patiently(
        &mut self,
        installation: &Arc<Installation<Entry>>,
    ) -> Result<(Container, Output), AttemptOutcome> {
        let mut pauses = RETRY_DELAYS.iter();
        loop {
            let error = match self.begin(installation.what).await {
                Ok(begun) => return Ok(begun),
                Err(error) => error,
            };
            let pause = if is_silence(&error) {
                Some(&SILENCE_PAUSE)
            } else {
                pauses.next().filter(|_| has_status(&error, 500))
            };
            let Some(pause) = pause else {
                if !is_without_image(&error) {
                    return Err(AttemptOutcome::StartFailed(self.not_started(&error).into()));
                }
                let damage =
                    self.shared.installed.damaged((self.request.activity, self.request.revision), installation);
                let _ = self.sender.send(RunEvent::InstallationLost).await;
                return Err(match damage {
                    Damage::Passing => AttemptOutcome::Recalled,
                    Damage::Lasting => AttemptOutcome::StartFailed(self.without_snapshot().into()),
                });
            };
            tracing::warn!(%error, "a container could not be started, and is tried again");
            tokio::select! {
                () = sleep(*pause) => {}
                changed = self.stopped.changed() => {
                    return Err(if changed.is_ok() { AttemptOutcome::Terminated } else { AttemptOutcome::Lost });
                }
                () = self.shared.closing.cancelled() => return Err(AttemptOutcome::Lost),
            }
        }
    }

    fn without_snapshot(&self) -> String {
        let snapshot = snapshot_name(&self.shared, (self.request.activity, self.request.revision));
        format!(
            "the snapshot {snapshot} was removed from the engine again after the activity had been installed anew \
             (docker image prune -a does that); see to it that images labelled pod.store are kept"
        )
    }

    fn not_started(&self, error: &Error) -> String {
        self.shared.engine.failed("the execution's container could not be started", error).message
    }

    async fn begin(&self, entry: Entry) -> Result<(Container, Output), Error> {
        let request = &self.request;
        let mut program = match entry {
            Entry::Program => vec!["./main.sh"],
            Entry::Shell => vec!["/bin/sh", "./main.sh"],
        };
        let mut env = environment(&self.shared.settings);
        env.extend(request.env.iter().map(|(name, value)| format!("{name}={value}")));
        env.push(format!("POD_EXECUTION_ID={}", request.key.execution));
        env.push(format!("POD_ATTEMPT={}", request.key.attempt));
        env.push(format!("POD_ACTIVITY={}", request.activity_name));
        env.push(format!("POD_REVISION={}", request.revision));
        let ground = Ground::of(request.workdir, &self.shared.settings);
        if let Some(dir) = ground.dir() {
            if !request.env.contains_key("TMPDIR") {
                env.push(format!("TMPDIR={dir}/.pod/tmp"));
            }
            env.push(format!("POD_RESULTS={dir}/.pod/results"));
        }
        let mut file = None;
        match &request.input {
            Some(input) if input.len() < ARGUMENT_LIMIT => program.push(input),
            Some(input) => {
                env.push(format!("POD_INPUT_FILE={INPUT_DIR}/input"));
                file = Some(file_archive("input", 0o644, input.as_bytes()));
            }
            None => {}
        }
        let image = snapshot_name(&self.shared, (request.activity, request.revision));
        // Nothing can be put into a root that is read-only.
        let files = if file.is_some() { Files::AsConfiguredAnd(INPUT_DIR) } else { Files::AsConfigured };
        let container = Container::make(&self.shared, &image, &program, env, ground, request.network, files).await?;
        if let Some(file) = file {
            container.upload(INPUT_DIR, file).await?;
        }
        match container.start().await {
            Ok(output) => Ok((container, output)),
            Err(error) => {
                // Not beside the next try.
                container.remove().await;
                Err(error)
            }
        }
    }

    /// Hands on what it prints until it has ended, and sees to its limits.
    async fn carry_on(&mut self, container: &Container, mut output: Output) -> AttemptOutcome {
        let far = Instant::now() + Duration::from_secs(365 * 24 * 3600);
        let after = |limit: Millis| Instant::now() + Duration::from_millis(limit.0);
        let time_limit = self.request.timeout.map_or(far, after);
        let (mut cause, mut kill_at, mut hears, mut told) = (None, far, false, false);
        let closing = self.shared.closing.clone();
        // What nobody has taken yet. It holds up the output, and nothing else.
        let mut event = None;
        loop {
            let wanted = tokio::select! {
                permit = self.sender.reserve(), if event.is_some() => {
                    // Whoever takes nothing any more is seen below.
                    if let (Ok(permit), Some(event)) = (permit, event.take()) {
                        permit.send(event);
                    }
                    continue;
                }
                said = output.next(), if event.is_none() => {
                    event = Some(match said {
                        Some(Said::Printed(stream, bytes)) => RunEvent::Output { stream, bytes },
                        Some(Said::Hears) => {
                            hears = true;
                            if told {
                                container.signal("SIGTERM").await;
                            }
                            // That its program could not be started is known a moment later.
                            RunEvent::Started { at: now() }
                        }
                        None => break,
                    });
                    continue;
                }
                () = sleep_until(time_limit), if cause.is_none() => (Cause::TimeLimit, StopMode::Terminate),
                () = sleep_until(kill_at) => (Cause::Order, StopMode::Kill),
                changed = self.stopped.changed(), if cause != Some(Cause::Dropped) => match changed {
                    Ok(()) => (Cause::Order, self.stopped.borrow_and_update().unwrap_or(StopMode::Kill)),
                    Err(_) => (Cause::Dropped, StopMode::Kill),
                },
                () = closing.cancelled(), if cause != Some(Cause::Dropped) => (Cause::Dropped, StopMode::Kill),
            };
            let (why, mode) = wanted;
            cause = if why == Cause::Dropped { Some(why) } else { cause.or(Some(why)) };
            match mode {
                StopMode::Terminate => {
                    kill_at = after(self.request.grace);
                    told = true;
                    if hears {
                        container.signal("SIGTERM").await;
                    }
                }
                StopMode::Kill => {
                    let done = container.signal("SIGKILL").await;
                    kill_at = if done { far } else { Instant::now() + KILL_AGAIN_AFTER };
                }
            }
        }
        match cause {
            Some(Cause::TimeLimit) => AttemptOutcome::TimedOut,
            Some(Cause::Order) => AttemptOutcome::Terminated,
            Some(Cause::Dropped) => AttemptOutcome::Lost,
            None => container.end(output.end()).await,
        }
    }
}

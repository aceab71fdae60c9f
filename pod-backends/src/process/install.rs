//! Installing an activity: its script runs in an empty directory and leaves `main.sh`, or nothing stays.

use std::{
    ffi::CString,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use pod_core::{
    domain::{AttemptOutcome, Millis, Payload, Stream},
    executor::{ExecutionHandle, InstallError, InstallRequest, OutputSink, RunEvent, StopMode},
};
use tokio_util::sync::CancellationToken;

use super::{
    archive::{self, Refused},
    blocking::blocking,
    entry::{BadEntry, Entry},
    environment::c_path,
    failure,
    layout::{Installed, Key, Layout},
    plan::Plan,
    run::ProcessRun,
    shared::Shared,
    spawner_handle::Purpose,
    tail::Tail,
    text::{self, Unready, WIDE_TEXT},
    wire::Place,
};

/// Between TERM and KILL for a script whose time is up.
const GRACE: Millis = Millis(2000);
/// A reader of the output that takes nothing for so long has lost it; the script does not wait for it any longer.
const READER_TAKES_WITHIN: Duration = Duration::from_secs(5);

/// Installs a revision. When the returned future is dropped, what it began is ended and deleted all the same.
pub(super) async fn install(
    shared: Arc<Shared>,
    request: InstallRequest,
    output: OutputSink,
) -> Result<(), InstallError> {
    let cancelled = CancellationToken::new();
    let _cancel_when_dropped = cancelled.clone().drop_guard();
    let runtime = shared.runtime.clone();
    let work = runtime.spawn(async move { Installation { shared, request, cancelled }.carry_out(output).await });
    match work.await {
        Ok(outcome) => outcome,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        Err(_) => Err(passing("the worker is shutting down")),
    }
}

#[derive(Debug)]
struct Installation {
    shared: Arc<Shared>,
    request: InstallRequest,
    cancelled: CancellationToken,
}

/// The script is at fault: another worker would do no better.
fn lasting(message: impl Into<String>) -> InstallError {
    InstallError { message: message.into(), permanent: true }
}

/// This worker, at this time, is at fault.
fn passing(message: impl Into<String>) -> InstallError {
    InstallError { message: message.into(), permanent: false }
}

fn disk(error: &io::Error) -> InstallError {
    passing(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk of the worker is full; make room on it, or let the activity need less".to_owned()
        }
        _ => format!("the worker could not write the installation to its disk: {error}"),
    })
}

impl Installation {
    async fn carry_out(self, output: OutputSink) -> Result<(), InstallError> {
        let key = (self.request.activity, self.request.revision);
        let _claim = self.shared.claim(key).await;
        if let Some(damaged) = self.shared.installed.begin(key).filter(|damaged| !damaged.is_aside()) {
            let layout = self.shared.layout.clone();
            match blocking(move || layout.set_aside(key)).await {
                Ok(files) => damaged.set_aside(files, &self.shared.runtime),
                // What is left of it is deleted where it is.
                Err(error) => tracing::warn!(%error, "a damaged installation cannot be set aside"),
            }
        }
        let outcome = self.try_to(key, output).await;
        match &outcome {
            Ok(installed) => self.shared.installed.complete(key, *installed),
            Err(_) => {
                let layout = self.shared.layout.clone();
                if let Err(error) = blocking(move || layout.remove(key)).await {
                    tracing::warn!(%error, "what a failed installation left could not be deleted");
                }
            }
        }
        outcome.map(drop)
    }

    async fn try_to(&self, key: Key, output: OutputSink) -> Result<Installed, InstallError> {
        let layout = self.shared.layout.clone();
        let payload = self.request.payload.clone();
        let script = blocking(move || {
            layout.remove(key).map_err(|error| disk(&error))?;
            prepare(&payload, &layout, key)
        })
        .await?;
        if let Some(script) = script {
            self.run(&script, key, output).await?;
        }
        if self.cancelled.is_cancelled() {
            return Err(passing("the installation was cancelled"));
        }
        let layout = self.shared.layout.clone();
        blocking(move || {
            let dir = layout.activity(key);
            let entry = layout.act(|| Entry::prepare(&dir)).map_err(|error| disk(&error))?.map_err(bad_entry)?;
            let installed = layout.complete(key, entry).map_err(|error| disk(&error))?;
            fs::remove_file(layout.script(key)).or_else(ignore_missing).map_err(|error| disk(&error))?;
            Ok(installed)
        })
        .await
    }

    /// Runs the script to its end; an error unless it exits with 0.
    async fn run(&self, script: &Path, key: Key, output: OutputSink) -> Result<(), InstallError> {
        let dir = self.shared.layout.activity(key);
        let plan = self.plan(script, &dir)?;
        let begin = ProcessRun::begin(&self.shared, plan, Purpose::Installation);
        let mut run = tokio::select! {
            () = self.cancelled.cancelled() => return Err(passing("the installation was cancelled")),
            begun = begin => begun.map_err(passing)?,
        };
        let mut output = Some(output);
        let mut tail = Tail::default();
        let end = loop {
            let event = tokio::select! {
                event = run.next() => event,
                () = self.cancelled.cancelled() => {
                    run.stop(StopMode::Kill);
                    until_end(&mut run).await;
                    return Err(passing("the installation was cancelled"));
                }
            };
            match event {
                Some(RunEvent::Output { stream, bytes }) => {
                    tail.push(&bytes);
                    self.hand_on(&mut output, stream, bytes).await;
                }
                Some(RunEvent::Ended { end, .. }) => break end,
                Some(_) => {}
                None => break AttemptOutcome::Lost,
            }
        };
        self.verdict(end, &tail, &dir)
    }

    fn plan(&self, script: &Path, dir: &Path) -> Result<Plan, InstallError> {
        let bash = self.shared.environment.find("bash").ok_or_else(|| {
            passing("there is no bash on this worker, which installation scripts run with; install it there")
        })?;
        let env = self.shared.environment.with(&self.request.env, &[]).map_err(lasting)?;
        let bash = c_path(&bash).map_err(passing)?;
        let args: Vec<CString> = vec![c"bash".to_owned(), c_path(script).map_err(passing)?];
        Ok(Plan {
            program: bash,
            args,
            env,
            dir: dir.to_owned(),
            place: Place::Shared,
            timeout: Some(self.request.timeout),
            grace: GRACE,
            input: None,
            runs: None,
            explain: failure::bash_not_started,
        })
    }

    async fn hand_on(&self, output: &mut Option<OutputSink>, stream: Stream, bytes: Bytes) {
        let Some(sink) = output else { return };
        let taken = tokio::select! {
            taken = tokio::time::timeout(READER_TAKES_WITHIN, sink.send((stream, bytes))) => matches!(taken, Ok(Ok(()))),
            () = self.cancelled.cancelled() => false,
        };
        if !taken {
            *output = None;
        }
    }

    fn verdict(&self, end: AttemptOutcome, tail: &Tail, dir: &Path) -> Result<(), InstallError> {
        let printed = match tail.text() {
            text if text.is_empty() => "; it printed nothing".to_owned(),
            text => format!("; the end of what it printed:\n{text}"),
        };
        let failed = |what: String| {
            let message = format!("the installation script {what}{printed}");
            if failure::is_full(dir) || printed.contains("No space left on device") {
                return passing(format!("the disk of the worker is full: {message}"));
            }
            lasting(message)
        };
        Err(match end {
            AttemptOutcome::Exited(0) => return Ok(()),
            AttemptOutcome::Exited(code) => failed(format!("failed with exit code {code}")),
            AttemptOutcome::Signalled(signal) => failed(format!("was ended by signal {signal}")),
            AttemptOutcome::OutOfMemory => failed("ran out of memory: the memory of the worker was used up".to_owned()),
            AttemptOutcome::TimedOut => {
                failed(format!("did not end within its time limit of {}", self.request.timeout))
            }
            AttemptOutcome::StartFailed(reason) => {
                passing(format!("bash could not be started to run the installation script: {reason}"))
            }
            AttemptOutcome::Lost
            | AttemptOutcome::Terminated
            | AttemptOutcome::Recalled
            | AttemptOutcome::WorkerLeft => {
                passing("the installation was cut off because the process that watched over it was killed")
            }
        })
    }
}

async fn until_end(run: &mut ProcessRun) {
    while run.next().await.is_some() {}
}

/// Makes the directory and puts the payload in place. The script to run, if there is one.
fn prepare(payload: &Payload, layout: &Layout, key: Key) -> Result<Option<PathBuf>, InstallError> {
    let dir = &layout.activity(key);
    DirBuilder::new().mode(0o755).create(dir).and_then(|()| layout.give(dir)).map_err(|error| disk(&error))?;
    match payload {
        Payload::Script(text) => {
            let script = layout.script(key);
            fs::write(&script, text).map_err(|error| disk(&error))?;
            make_ready(&script)?;
            layout.give(&script).map_err(|error| disk(&error))?;
            Ok(Some(script))
        }
        Payload::Archive(archive) => {
            let unpacked = archive::unpack_by(dir, |beside| {
                layout.give(beside)?;
                layout.act(|| archive::fill(archive, beside))?
            });
            unpacked.map_err(|refused| match refused {
                Refused::Content(message) => lasting(message),
                Refused::Io(error) => disk(&error),
            })?;
            layout.act(|| script_of(dir)).map_err(|error| disk(&error))?
        }
    }
}

/// The script of a directory that was unpacked, if it has one.
fn script_of(dir: &Path) -> Result<Option<PathBuf>, InstallError> {
    let script = dir.join("install.sh");
    match fs::symlink_metadata(&script) {
        Ok(found) if found.is_file() => make_ready(&script).map(|()| Some(script)),
        Ok(_) => Err(lasting("install.sh in the archive is not a regular file")),
        Err(_) => Ok(None),
    }
}

fn make_ready(script: &Path) -> Result<(), InstallError> {
    text::make_ready(script, false).map_err(|unready| match unready {
        Unready::Wide => wide_script(),
        Unready::Io(error) => disk(&error),
    })
}

pub(crate) fn wide_script() -> InstallError {
    lasting(format!("the installation script is {WIDE_TEXT}"))
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

pub(crate) fn bad_entry(bad: BadEntry) -> InstallError {
    match bad {
        BadEntry::Missing => lasting(
            "the installation left no main.sh in its directory; the script must leave the program to run there, under that name",
        ),
        BadEntry::NotAFile(what) => lasting(format!(
            "the main.sh that the installation left is not a regular file but {what}; it must be the program to run"
        )),
        BadEntry::Unusable(what) => lasting(format!("the main.sh that the installation left is {what}")),
        BadEntry::Io(error) => disk(&error),
    }
}

//! `pod serve`: the manager.

use std::{
    fs::DirBuilder,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    time::Duration,
};

use clap::Args;
use pod_backends::{data_dir::DataDirError, open_files};
use pod_core::PodError;
use pod_server::{
    config::{Config, ServeArgs},
    serve::{self, RunningManager, StartError, WorkerPlacement},
};
use tokio::time::{Instant, sleep};

use super::{
    connection::HOLDER_POLL_INTERVAL,
    console::{self, Interrupts},
    failure::{Exit, Failure},
    handover::{self, LockedMarker},
};

const EXAMPLES: &str = "\
Examples:
  pod serve                        On http://127.0.0.1:8080, for this machine
  POD_TOKEN=$(openssl rand -hex 32) pod serve --listen 0.0.0.0:8080
                                   For others, who need the token
  pod serve --listen 127.0.0.1:0 --data-dir /tmp/x
                                   Any free port; `listening on …` names it";

/// Runs the manager: HTTP API, scheduler, and workers by its backend
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: ServeArgs,
}

/// How long a run that embeds the manager may take to hand it over.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(20);

/// Starts the manager. If a run embeds one, it is asked to hand it over.
async fn start(config: &Config) -> Result<RunningManager, StartError> {
    let deadline = Instant::now() + HANDOVER_TIMEOUT;
    let mut claim = None;
    loop {
        match serve::start(config, WorkerPlacement::Processes).await {
            Err(StartError::DataDir(DataDirError::Held { .. }))
                if Instant::now() < deadline && (claim.is_some() || handover::is_offered(&config.data_dir)) =>
            {
                if claim.is_none() {
                    console::note("a run hosts the manager of the data directory, and is asked to hand it over");
                    claim = LockedMarker::claim(&config.data_dir).ok();
                }
                sleep(HOLDER_POLL_INTERVAL).await;
            }
            started => return started,
        }
    }
}

impl Serve {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        open_files::raise(None);
        let config = Config::resolve(&self.settings, &|name| std::env::var(name).ok())
            .map_err(|error| Failure::new(error.to_string()))?;
        // Without a log where none can be written: a full disk must not keep the manager from emptying it. What is wrong
        // with the directory, the manager says itself.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
        let _ = serve::install_log(&config.data_dir);
        let mut interrupts = Interrupts::listen()?;
        let running = tokio::select! {
            started = start(&config) => started.map_err(|error| Failure::new(error.to_string()))?,
            _ = interrupts.next() => return Ok(Exit::DONE),
        };
        if running.needs_token {
            let _ = io::stderr().write_all(format!("pod: {}\n", serve::NEEDS_TOKEN).as_bytes());
        }
        // One write, newline included: a script that waits for the line never reads half of it.
        let _ = io::stderr().write_all(format!("listening on http://{}\n", running.address).as_bytes());
        let lost = tokio::select! {
            _ = interrupts.next() => None,
            reason = running.pod.stopped() => Some(reason),
        };
        running.stop().await;
        match lost {
            None | Some(PodError::Stopped) => Ok(Exit::DONE),
            Some(reason) => Err(Failure::new(reason.to_string())),
        }
    }
}

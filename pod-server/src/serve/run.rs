//! `pod serve` from its first line to its last.

use std::io::{self, Write};

use pod_core::PodError;
use tokio::signal::unix::{SignalKind, signal};

use super::{StartError, WorkerHome, start};
use crate::config::Config;

/// Runs a manager until TERM or INT, and returns when it has stopped: within 10 s. Running executions go on, in workers
/// that are processes of their own. An error when it could not start, or lost its store to another manager.
pub async fn run(config: &Config) -> Result<(), StartError> {
    let handler = |kind| signal(kind).map_err(|error| StartError::Other(format!("signals cannot be handled: {error}")));
    let (mut term, mut int) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    let asked = async {
        tokio::select! {
            _ = term.recv() => "TERM",
            _ = int.recv() => "INT",
        }
    };
    tokio::pin!(asked);
    let running = tokio::select! {
        started = start(config, WorkerHome::Processes) => started?,
        _ = &mut asked => return Ok(()),
    };
    announce(&format!("listening on http://{}\n", running.address));
    let lost = tokio::select! {
        signal = &mut asked => {
            tracing::info!(signal, "asked to stop");
            None
        }
        reason = running.pod.stopped() => Some(reason),
    };
    running.stop().await;
    match lost {
        None | Some(PodError::Stopped) => Ok(()),
        Some(reason) => Err(reason.into()),
    }
}

/// One write, newline included: whoever waits for the line never reads half of it.
fn announce(line: &str) {
    // A closed standard error is no reason to stop.
    let _ = io::stderr().write_all(line.as_bytes());
}

//! The shell around [`super::state`]: one task that dials, reads, writes, keeps the time and drives the executor.
//!
//! Each round takes whatever is there (a frame, many events of executions), steps the state machine, performs its
//! effects, and starts one write with everything that is to be said. A write that does not go through holds nothing
//! else up: reading and the executions go on meanwhile.

mod connection;
mod dial;
mod executions;

use std::{path::PathBuf, pin::pin, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

pub use self::dial::{DialError, Dialer};
use self::{
    connection::{Connection, LinkEvent},
    executions::Executions,
};
use super::{
    identity::{Identity, ShutdownNotice, WorkerExit},
    leave::{Asked, Leave},
    spool::disk::{SpoolDirectory, SpoolDisk, SpoolMemory},
    state::{Effect, Input, Now, WorkerState},
};
use crate::{domain::Timestamp, executor::Executor, link::FromWorker};

/// How many events are taken in one round.
const EVENTS: usize = 256;

/// How long a farewell may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// How much output waits in memory where no directory is given.
const MEMORY: usize = 64 << 20;

/// What a worker is run with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerConfig {
    /// Who it is.
    pub identity: Identity,
    /// Where output waits until the manager has it.
    pub spool: Arc<dyn SpoolDisk>,
}

impl WorkerConfig {
    /// A worker whose output waits in memory, 64 MiB of it at most; what is more is cut, as where a disk is full.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity, spool: Arc::new(SpoolMemory::new(MEMORY)) }
    }

    /// Output that waits goes to files in that directory, which is made when it is needed.
    #[must_use]
    pub fn spool_in(self, directory: impl Into<PathBuf>) -> Self {
        self.spool(SpoolDirectory::new(directory))
    }

    /// Output that waits goes there.
    #[must_use]
    pub fn spool(self, spool: impl SpoolDisk) -> Self {
        Self { spool: Arc::new(spool), ..self }
    }
}

/// Runs a worker until it ends or is asked to [`Leave`]; nothing that it ran is left then.
///
/// Dropping the future kills what runs, as dropping each [`crate::executor::ExecutionHandle`] does.
pub async fn run(
    config: WorkerConfig,
    executor: Arc<dyn Executor>,
    dial: impl Dialer,
    leave: impl Into<Leave>,
) -> WorkerExit {
    run_boxed(config, executor, Arc::new(dial), leave.into()).await
}

/// Boxed, so that a worker is compiled here once, and not wherever one is run and for every way to dial.
fn run_boxed(
    config: WorkerConfig,
    executor: Arc<dyn Executor>,
    dial: Arc<dyn Dialer>,
    leave: Leave,
) -> BoxFuture<'static, WorkerExit> {
    Box::pin(async move {
        let installed = match executor.installed().await {
            Ok(installed) => installed,
            Err(error) => return WorkerExit::ExecutorFailed(error.to_string()),
        };
        let clock = Clock { began: Instant::now() };
        let (seed, departure) = (config.identity.incarnation, config.identity.shutdown_notice);
        let (slots, ahead) = (executor.slots(), executor.prefetch_limit());
        let state = WorkerState::new(config.identity, slots, ahead, installed, config.spool, clock.now());
        let shell = WorkerTask {
            state,
            clock,
            departure,
            connection: Connection::new(dial, seed),
            executions: Executions::new(Arc::clone(&executor)),
            effects: Vec::new(),
        };
        let exit = shell.serve(leave).await;
        tracing::info!(%exit, "the worker ends");
        exit
    })
}

/// Reads the time for the state machine.
#[derive(Clone, Copy, Debug)]
struct Clock {
    began: Instant,
}

impl Clock {
    fn now(self) -> Now {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Now {
            wall: Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)),
            uptime: self.began.elapsed(),
        }
    }

    fn instant(self, uptime: Duration) -> Instant {
        self.began + uptime
    }
}

struct WorkerTask {
    state: WorkerState,
    clock: Clock,
    departure: ShutdownNotice,
    connection: Connection,
    executions: Executions,
    effects: Vec<Effect>,
}

impl WorkerTask {
    async fn serve(mut self, leave: Leave) -> WorkerExit {
        let exit = self.rounds(leave).await;
        self.executions.shutdown().await;
        if exit == WorkerExit::Cancelled && self.state.is_welcome() {
            let goodbye = || FromWorker::Goodbye { reason: exit.to_string() };
            let goodbye = (self.departure == ShutdownNotice::Permanent).then(goodbye);
            let _ = tokio::time::timeout(GOODBYE_TIMEOUT, self.connection.farewell(goodbye)).await;
        }
        exit
    }

    async fn rounds(&mut self, leave: Leave) -> WorkerExit {
        let mut asked = None;
        let mut timer = pin!(sleep_until(self.clock.began));
        let mut inputs = Vec::with_capacity(EVENTS);
        loop {
            let deadline = self.state.next_deadline().map(|uptime| self.clock.instant(uptime));
            if let Some(deadline) = deadline
                && timer.deadline() != deadline
            {
                timer.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                more = leave.asked(asked) => {
                    asked = Some(more);
                    inputs.push(match more {
                        Asked::Until(until) => Input::Leave { within: until - Instant::now(), at_once: false },
                        Asked::AtOnce => Input::Leave { within: Duration::ZERO, at_once: true },
                    });
                }
                event = self.connection.next() => match event {
                    LinkEvent::Input(input) => inputs.push(input),
                    LinkEvent::Written => {}
                    LinkEvent::Never(reason) => return WorkerExit::Abandoned(reason),
                },
                () = self.executions.next(&mut inputs, EVENTS) => {}
                () = &mut timer, if deadline.is_some() => {}
            }
            // What else is there already shares the round, and so the frame.
            self.executions.drain(&mut inputs, EVENTS);
            let now = self.clock.now();
            // Also when something else woke the worker: a busy one must not put its deadlines off.
            if self.state.next_deadline().is_some_and(|due| due <= now.uptime) {
                inputs.push(Input::Tick);
            }
            for input in inputs.drain(..) {
                self.state.step(input, now, &mut self.effects);
            }
            if let Some(exit) = self.perform() {
                return exit;
            }
            // A link that takes a frame at once may take the next one too, and nothing else would ask it.
            while self.connection.can_write() {
                let messages = self.state.collect(now);
                if messages.is_empty() {
                    break;
                }
                self.connection.write(&messages);
            }
            if self.state.has_left(now) {
                return WorkerExit::Cancelled;
            }
        }
    }

    fn perform(&mut self) -> Option<WorkerExit> {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Start(request) => self.executions.start(request),
                Effect::Stop(key, mode) => self.executions.stop(key, mode),
                Effect::Recall(key) => self.executions.recall(key),
                Effect::WriteTo(key, stream, sink) => self.executions.write_to(key, stream, sink),
                Effect::Install(request) => self.executions.install(request),
                Effect::AbortInstall(activity, revision) => self.executions.abort_install(activity, revision),
                Effect::Remove(activity, revision) => self.executions.remove(activity, revision),
                Effect::Disconnect(reason) => self.connection.give_up(&reason),
                Effect::Exit(exit) => return Some(exit),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;

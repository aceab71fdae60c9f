//! `pod worker`: runs executions for a manager.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use pod_backends::{
    docker::{HOME, ManagerAddress, run_container_worker, run_isolated_worker},
    local::run_local_worker,
    open_files, private,
    process::{ProcessExecutor, RunAs, adopt_orphans, clear},
};
use pod_core::{
    Limits,
    worker::{Dialer, Identity, Leave, WorkerConfig, WorkerExit, run},
};
use pod_server::{
    config::{Secret, default_data_dir},
    worker_link::WebSocketDialer,
};

use super::{
    console::{self, Interrupts},
    failure::{Exit, Failure},
    reporting_dialer::ReportingDialer,
    times::parse_duration,
};

const EXAMPLES: &str = "\
Examples:
  POD_WORKER_TOKEN=… pod worker --manager http://10.0.0.7:8080
  pod worker --manager http://10.0.0.7:8080 --slots 8 --dir /var/lib/pod-worker
  pod worker --manager http://10.0.0.7:8080 --run-as pod-programs

It dials the manager, and dials again when the connection breaks; what runs goes on meanwhile. When no manager was \
there for 10 minutes and nothing is left to do, it ends with exit code 1. Ctrl-C or TERM lets it leave: it takes nothing \
new, what runs may end within --leave-within, and what has not ended then runs again elsewhere. A second one ends all of \
it at once. What it has installed does not outlast it.";

/// Runs executions for a manager: a worker that dials it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Worker {
    /// The address of the manager
    #[arg(long, env = "POD", value_name = "URL", required_unless_present_any = ["local", "resident"])]
    manager: Option<String>,

    /// The manager's token for workers
    #[arg(long, env = "POD_WORKER_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,

    /// How many executions it runs at a time [default: the machine's cores]
    #[arg(long, env = "POD_SLOTS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    slots: Option<u32>,

    /// A directory of its own [default: $XDG_DATA_HOME/pod-worker, else ~/.local/share/pod-worker]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Run programs as this user, who can reach nothing of the worker's; for a worker that is started as root
    #[arg(long, env = "POD_RUN_AS", value_name = "USER")]
    run_as: Option<String>,

    /// How long what runs may go on when the worker is asked to end
    #[arg(long, env = "POD_LEAVE_WITHIN", value_name = "DURATION", default_value = "75s", value_parser = parse_duration)]
    leave_within: Duration,

    /// Be the worker of this directory, which a manager on this machine made
    #[arg(long, hide = true, value_name = "DIR", conflicts_with_all = ["dir"])]
    local: Option<PathBuf>,

    /// With --local: run each execution in a container of its own
    #[arg(long, hide = true, requires = "local")]
    isolated: bool,

    /// How many files a program may have open: what the manager had before it raised its own limit
    #[arg(long, hide = true, value_name = "N", requires = "local")]
    programs_open_files: Option<u64>,

    /// Be the worker of the container that this is in, which a manager made
    #[arg(long, hide = true, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = HOME)]
    #[arg(conflicts_with_all = ["dir", "local"])]
    resident: Option<PathBuf>,
}

impl Worker {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        open_files::raise(self.programs_open_files);
        if !self.isolated {
            adopt_orphans().map_err(|error| Failure::new(format!("orphans cannot be taken care of: {error}")))?;
        }
        let mut interrupts = Interrupts::listen()?;
        let leave = Leave::new();
        // What stops a container does not wait for so long.
        let within = if self.resident.is_some() { Duration::ZERO } else { self.leave_within };
        let working = self.work(leave.clone());
        tokio::pin!(working);
        let exit = tokio::select! {
            exit = &mut working => exit?,
            _ = interrupts.next() => {
                leave.within(within);
                tokio::select! {
                    exit = &mut working => exit?,
                    again = interrupts.next() => {
                        leave.at_once();
                        tokio::select! {
                            _ = working => {}
                            _ = interrupts.next() => {}
                        }
                        return Err(Failure::quiet(again));
                    }
                }
            }
        };
        // That its manager never came back is nothing that a person wanted.
        if exit.is_orderly() && !matches!(exit, WorkerExit::OrphanTimeout(_)) {
            console::note(exit.to_string());
            return Ok(Exit::DONE);
        }
        Err(Failure::new(exit.to_string()))
    }

    async fn work(self, leave: Leave) -> Result<WorkerExit, Failure> {
        if let Some(dir) = &self.local
            && self.isolated
        {
            return Ok(run_isolated_worker(dir, leave).await);
        }
        if let Some(dir) = self.local {
            return Ok(run_local_worker(&dir, leave).await);
        }
        if let Some(home) = &self.resident {
            let over_network = |manager: ManagerAddress| {
                let dial = WebSocketDialer::new(&manager.url, manager.token.map(Secret::new));
                dial.map(|dial| Box::new(dial) as Box<dyn Dialer>).map_err(|error| error.to_string())
            };
            return Ok(run_container_worker(home, over_network, leave).await);
        }
        let manager = self.manager.unwrap_or_default();
        let token = self.token.filter(|token| !token.is_empty());
        let dial = WebSocketDialer::new(&manager, token.clone().map(Secret::new))
            .map_err(|error| Failure::new(error.to_string()))?;
        let dir = match self.dir {
            Some(dir) => dir,
            None => {
                let data_dir = default_data_dir(&|name| std::env::var(name).ok());
                data_dir.map_err(|error| Failure::new(error.to_string()))?.with_file_name("pod-worker")
            }
        };
        let _lock = take(&dir)?;
        let run_as = self.run_as.filter(|user| !user.is_empty()).map(|user| RunAs::find(&user, &dir));
        let run_as = run_as.transpose().map_err(|problem| Failure::new(format!("--run-as: {problem}")))?;
        let work = dir.join("work");
        let unusable = |message: String| Failure::new(format!("the worker's directory cannot be used: {message}"));
        // Installations are named by ids that another manager's store uses for something else.
        clear(&work).await.map_err(|error| unusable(error.message))?;
        private::make_dir(&work).map_err(|error| unusable(error.to_string()))?;
        RunAs::note(run_as.as_ref(), &work).map_err(|error| unusable(error.to_string()))?;
        let slots = self.slots.unwrap_or_else(|| Limits::default().slots);
        let executor = ProcessExecutor::open(&work, slots).await.map_err(|error| unusable(error.message))?;
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        let host = rustix::system::uname().nodename().to_str().ok().map(str::to_owned);
        let identity = Identity { host, token, ..Identity::new(high ^ low) };
        let config = WorkerConfig::new(identity).spool_in(work.join("spool"));
        Ok(run(config, Arc::new(executor), ReportingDialer::new(dial, manager), leave).await)
    }
}

/// Takes a directory for this worker alone.
fn take(dir: &Path) -> Result<File, Failure> {
    let shown = dir.display();
    let unusable = |error| Failure::new(format!("{shown} cannot be used ({error}); choose another with --dir"));
    if !dir.is_dir() {
        private::make_dir(dir).map_err(unusable)?;
    }
    let path = dir.join("worker.lock");
    let file = private::file().create(true).truncate(false).write(true).open(path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new(format!("{shown} is in use by another worker; give this one a directory with --dir")))
        }
    }
}

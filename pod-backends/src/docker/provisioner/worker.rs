//! What runs inside a container: the worker itself.

use std::{fs, io, path::Path, sync::Arc};

use async_trait::async_trait;
use pod_core::{
    link::Transport,
    worker::{DialError, Dialer, Leave, ShutdownNotice, WorkerExit, run},
};

use crate::{
    data_dir::directory::WorkerRecord,
    docker::{
        places::{LINK, MANAGER},
        settings::ManagerAddress,
    },
    local::{socket, worker::config},
    process::{Inherit, ProcessExecutor},
};

/// The worker's own directory, below [`HOME`](crate::docker::HOME) or what takes its place.
const WORK: &str = "work";

/// Runs the worker of the container that this process is in, until it ends. Everything of POD is in `home`. To be called by a process that does nothing
/// else; a runtime of one thread is the cheapest. `over_network` dials a manager that is not on this machine.
///
/// `leave` asks it to leave; a token that is cancelled does, and then what runs is asked to end right away.
pub async fn run_container_worker(
    home: &Path,
    over_network: impl FnOnce(ManagerAddress) -> Result<Box<dyn Dialer>, String>,
    leave: impl Into<Leave>,
) -> WorkerExit {
    // A thread for file work that is there already is there also when programs have used up the container's processes.
    let _ = tokio::task::spawn_blocking(|| {}).await;
    let dir = home.join(WORK);
    match open(&dir, over_network).await {
        Ok((record, executor, dial)) => {
            run(config(record, &dir, ShutdownNotice::Permanent), executor, dial, leave).await
        }
        Err(reason) => WorkerExit::ExecutorFailed(reason),
    }
}

async fn open(
    dir: &Path,
    over_network: impl FnOnce(ManagerAddress) -> Result<Box<dyn Dialer>, String>,
) -> Result<(WorkerRecord, Arc<ProcessExecutor>, Way), String> {
    let record = WorkerRecord::read(dir)
        .map_err(|error| format!("{}, which the manager uploads, cannot be read: {error}", dir.display()))?;
    let dial = match take_address(&dir.join(MANAGER)).map_err(|error| format!("{MANAGER} cannot be read: {error}"))? {
        Some(address) => Way::Network(over_network(address)?),
        None => Way::Socket,
    };
    let executor = ProcessExecutor::open_with(dir, record.slots, Inherit::Everything).await;
    Ok((record, Arc::new(executor.map_err(|error| error.message)?), dial))
}

/// Reads how to dial, and deletes it: no program that runs here later gets to see the token.
fn take_address(path: &Path) -> io::Result<Option<ManagerAddress>> {
    match fs::read(path) {
        Ok(text) => {
            fs::remove_file(path)?;
            Ok(Some(serde_json::from_slice(&text)?))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How the manager is reached.
enum Way {
    Socket,
    Network(Box<dyn Dialer>),
}

#[async_trait]
impl Dialer for Way {
    async fn dial(&self) -> Result<Transport, DialError> {
        match self {
            Self::Network(dial) => dial.dial().await,
            Self::Socket => {
                let dialled = socket::connect(Path::new(LINK)).await;
                dialled.map_err(|error| DialError::Later(format!("the manager is not there: {error}")))
            }
        }
    }
}

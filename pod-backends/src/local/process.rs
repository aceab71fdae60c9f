//! The process of a worker: started, found again by a later manager, watched, ended.

use std::{
    fs::{File, TryLockError},
    io::{self, Read},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::{Interest, unix::AsyncFd};

use super::worker::LOCK;

/// What of the manager's environment a worker gets to see: nothing that could be a secret.
const ENVIRONMENT: [&str; 14] = [
    "DOCKER_CERT_PATH",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_RUNTIME_DIR",
];

/// A log longer than this is set aside when its worker starts again.
const LOG_BYTES: u64 = 4 << 20;

/// The process of a worker, held by a descriptor: it cannot be confused with a later one of the same number.
#[derive(Clone, Debug)]
pub(crate) struct WorkerProcess {
    pub(super) pid: u32,
    descriptor: Arc<AsyncFd<OwnedFd>>,
    /// One that this process started is waited for.
    child: Arc<Mutex<Option<Child>>>,
}

impl WorkerProcess {
    /// Starts a worker's process in its directory, with a log of its own and nothing of this process's.
    pub(super) fn start(mut command: Command, dir: &Path) -> io::Result<Self> {
        let log = open_log(dir)?;
        command.env_clear();
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn()?;
        match Self::hold(child.id()) {
            Ok(process) => {
                *process.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
                Ok(process)
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Finds the process that is the worker of a directory, if one lives.
    pub(crate) fn find(dir: &Path) -> io::Result<Option<Self>> {
        loop {
            let Some(pid) = holder(dir)? else { return Ok(None) };
            match Self::hold(pid) {
                // Still the holder: then it is this process that the descriptor names.
                Ok(process) if holder(dir)? == Some(pid) => return Ok(Some(process)),
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
                Err(error) => return Err(error),
            }
        }
    }

    #[allow(deprecated, reason = "the descriptor is owned here, so it stays open for as long as it is watched")]
    fn hold(pid: u32) -> io::Result<Self> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        let descriptor = pidfd_open(number, PidfdFlags::NONBLOCK)?;
        let descriptor = Arc::new(AsyncFd::with_interest(descriptor, Interest::READABLE)?);
        Ok(Self { pid, descriptor, child: Arc::default() })
    }

    /// Ends whatever process is the worker of a directory, and returns when none is.
    pub(crate) async fn end_in(dir: &Path) -> io::Result<()> {
        while let Some(process) = Self::find(dir)? {
            process.kill();
            process.ended().await;
        }
        Ok(())
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        let _ = pidfd_send_signal(self.descriptor.get_ref(), Signal::KILL);
    }

    /// Waits until it has ended, and says how, where that can be known.
    pub(super) async fn ended(&self) -> String {
        // An error here means that it cannot be watched, which only a missing runtime does.
        let _ = self.descriptor.readable().await;
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        match child.map(|mut child| child.wait()) {
            Some(Ok(status)) => format!("the worker's process {} ended: {status}", self.pid),
            _ => format!("the worker's process {} ended", self.pid),
        }
    }
}

/// The process that holds a worker's directory.
fn holder(dir: &Path) -> io::Result<Option<u32>> {
    let mut file = match File::open(dir.join(LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            // One that has locked it and not yet written its number has it in the next moment.
            Ok(text.trim().parse().ok())
        }
    }
}

fn open_log(dir: &Path) -> io::Result<File> {
    let path = dir.join("worker.log");
    if std::fs::metadata(&path).is_ok_and(|found| found.len() > LOG_BYTES) {
        std::fs::rename(&path, dir.join("worker.log.old"))?;
    }
    File::options().create(true).append(true).open(path)
}

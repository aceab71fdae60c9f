//! The data directory belongs to one manager at a time, by a lock that the system lets go with its process.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use pod_core::provisioner::ProvisionError;
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};
use tokio::time::{Instant, sleep};

use crate::private;

/// How long workers of this process may take to end: the time for which programs may ignore KILL.
const OWN_WORKERS_END_WITHIN: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The lock of the manager.
const MANAGER: &str = "manager.lock";

/// Who holds a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process id of the manager.
    pub pid: u32,
    /// Where it listens, once it does.
    pub address: Option<String>,
}

/// Who holds a data directory, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// A manager that runs.
    Held(Holder),
    /// Nobody since a manager that was to stay has let it go, or died: it is restarted, and may come back.
    Left,
    /// Nobody, and nobody is expected.
    Free,
}

/// The data directory, held. Let go when it is dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct DataDirLock {
    file: File,
    /// Whether what it says stays when it is let go. That of a manager that was not to stay does not: nobody needs to
    /// wait for it.
    leaves_trace: bool,
}

/// Why a data directory could not be taken, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataDirError {
    /// Another manager holds it.
    #[error(
        "the data directory {} is in use by the manager with process id {pid}{}; use that one, or choose another with --data-dir",
        .dir.display(), .address.as_ref().map(|address| format!(", which listens on {address}")).unwrap_or_default()
    )]
    Held {
        /// The directory.
        dir: PathBuf,
        /// The process that holds it; 0 while it has not said so yet.
        pid: u32,
        /// Where it listens, once it does.
        address: Option<String>,
    },
    /// It cannot be used at all.
    #[error("{0}")]
    Unusable(String),
}

impl DataDirLock {
    /// Takes a data directory, which is made (for its owner only) if it is not there.
    pub fn acquire(dir: &Path) -> Result<Self, DataDirError> {
        make_private_dir(dir).map_err(|error| DataDirError::Unusable(unusable(dir, &error)))?;
        Self::take(dir, MANAGER)
    }

    /// Who holds a data directory, without trying to take it. What a process that has died wrote is not believed.
    ///
    /// Read once: between two looks, a manager that is restarted may take it.
    #[must_use]
    pub fn holding(dir: &Path) -> Holding {
        let (pid, address) = read_holder(&fs::read_to_string(dir.join(MANAGER)).unwrap_or_default());
        match pid {
            0 => Holding::Free,
            _ if is_alive(pid) => Holding::Held(Holder { pid, address }),
            _ => Holding::Left,
        }
    }

    /// Says where this manager listens, for those who find the directory held.
    pub fn set_address(&mut self, address: &str) -> io::Result<()> {
        self.leaves_trace = true;
        write_holder(&mut self.file, Some(address))
    }

    /// Says that this manager listens no more: who finds the directory held waits until it has let go.
    pub fn withdraw_address(&mut self) -> io::Result<()> {
        write_holder(&mut self.file, None)
    }

    /// Says that this manager was not to stay: nobody waits for it when it has let go.
    pub const fn leave(&mut self) {
        self.leaves_trace = false;
    }

    /// Takes the directory for the workers of this process, by a file of that name. Workers of an earlier engine of the
    /// same process may still be ending there: they are waited for.
    pub(crate) async fn take_for_workers(data: &Path, name: &str) -> Result<Self, ProvisionError> {
        let deadline = Instant::now() + OWN_WORKERS_END_WITHIN;
        loop {
            match Self::take(data, name) {
                Ok(lock) => return Ok(lock),
                Err(DataDirError::Held { pid, .. }) if pid == std::process::id() && Instant::now() < deadline => {
                    sleep(POLL_INTERVAL).await;
                }
                Err(error) => return Err(ProvisionError::new(error.to_string())),
            }
        }
    }

    /// Takes the lock of that name in a directory that is there.
    pub(crate) fn take(dir: &Path, name: &str) -> Result<Self, DataDirError> {
        let path = dir.join(name);
        let open = private::file().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = open.map_err(|error| DataDirError::Unusable(unusable(dir, &error)))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                // Who has just taken it may not have written that yet: what stands there is of the one before.
                let (pid, address) = Some(read_holder(&text)).filter(|(pid, _)| is_alive(*pid)).unwrap_or_default();
                return Err(DataDirError::Held { dir: dir.to_owned(), pid, address });
            }
            Err(TryLockError::Error(error)) => return Err(DataDirError::Unusable(unusable(dir, &error))),
        }
        write_holder(&mut file, None).map_err(|error| DataDirError::Unusable(unusable(dir, &error)))?;
        Ok(Self { file, leaves_trace: name != MANAGER })
    }
}

impl Drop for DataDirLock {
    fn drop(&mut self) {
        if !self.leaves_trace {
            let _ = self.file.set_len(0);
        }
    }
}

/// Whether there is a process of that id, which runs: one that has ended and whose parent has not looked yet holds
/// nothing any more.
fn is_alive(pid: u32) -> bool {
    let is_there =
        i32::try_from(pid).ok().and_then(Pid::from_raw).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    is_there && !matches!(state, Some('Z' | 'X'))
}

/// The line after the last one. What follows it was written by who held the lock before.
const END: &str = "end";

/// Reads who holds a lock file; 0 where that was not written yet.
fn read_holder(text: &str) -> (u32, Option<String>) {
    let mut lines = text.lines();
    let pid = lines.next().and_then(|line| line.trim().parse().ok()).unwrap_or(0);
    // An older version ends without a sign.
    let address = lines.next().filter(|line| !line.is_empty() && *line != END);
    match lines.next() {
        None | Some(END) => (pid, address.map(str::to_owned)),
        Some(_) => (pid, None),
    }
}

/// Writes who holds a lock file: its process id, and its address in a line of its own. At no time is the file empty, or
/// our process id together with the address of another: whoever reads meanwhile gets the one before, or this one.
fn write_holder(file: &mut File, address: Option<&str>) -> io::Result<()> {
    write_whole(file, &format!("{}\n{}\n{END}\n", std::process::id(), address.unwrap_or_default()))
}

/// Writes which process this is, and nothing else.
pub(crate) fn write_process(file: &mut File) -> io::Result<()> {
    write_whole(file, &format!("{}\n", std::process::id()))
}

fn write_whole(file: &mut File, text: &str) -> io::Result<()> {
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

/// Makes a directory that only its owner may enter, with those above it. One that is there stays as it is: it may be
/// meant for more than POD.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    if fs::metadata(dir).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn unusable(dir: &Path, error: &io::Error) -> String {
    let dir = dir.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "the data directory {dir} cannot be written by this user; choose another with --data-dir, or change its owner"
        ),
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("the data directory {dir} lies on a read-only file system; choose another with --data-dir")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("{dir} is not a directory; name one with --data-dir")
        }
        io::ErrorKind::StorageFull => {
            format!("the data directory {dir} lies on a full disk; make room, or choose another with --data-dir")
        }
        _ => format!("the data directory {dir} cannot be used: {error}"),
    }
}

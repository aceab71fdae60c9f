//! Space kept back, so that ends and deletions still commit on a full disk.

use std::{
    fs::OpenOptions,
    io,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::private;

/// How much is kept back.
const RESERVE: u64 = 4 << 20;
/// How long after the reserve was used, or could not be had, it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A file that is nothing but its size. While the disk is full, what can wait is refused, and the file is emptied where
/// what cannot wait needs its space.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    full: AtomicBool,
    tried: Mutex<Instant>,
}

impl Reserve {
    /// Takes the reserve; a disk that has no room for it counts as full from the start.
    pub(super) fn take(path: PathBuf) -> Self {
        let reserve = Self { path, full: AtomicBool::new(false), tried: Mutex::new(Instant::now()) };
        if let Err(error) = reserve.fill() {
            tracing::warn!(%error, path = %reserve.path.display(), "no room for the reserve: the disk is full");
            reserve.full.store(true, Ordering::Relaxed);
        }
        reserve
    }

    fn fill(&self) -> io::Result<()> {
        let file = private::file().create(true).truncate(false).write(true).open(&self.path)?;
        private::close(&self.path)?;
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE) {
            Err(error) if error == rustix::io::Errno::OPNOTSUPP => Ok(()), // then there is no reserve to be had
            other => Ok(other?),
        }
    }

    /// Something found no space.
    pub(super) fn note_full(&self) {
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if !self.full.swap(true, Ordering::Relaxed) {
            tracing::warn!("the disk is full: new submits and output are refused until there is room again");
        }
    }

    /// Gives the space up to whoever writes next.
    pub(super) fn give_up(&self) {
        self.note_full();
        let emptied = OpenOptions::new().write(true).open(&self.path).and_then(|file| file.set_len(0));
        if let Err(error) = emptied {
            tracing::warn!(%error, path = %self.path.display(), "cannot release the reserve");
        }
    }

    /// Whether the disk is full.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether it is time to look for room again: it comes back when executions are deleted.
    pub(super) fn is_due(&self) -> bool {
        if !self.is_full() {
            return false;
        }
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let due = tried.elapsed() >= RETRY;
        if due {
            *tried = Instant::now();
        }
        due
    }

    /// Takes the reserve again, if as much is left beside it.
    pub(super) fn take_again(&self) {
        let room = || rustix::fs::statvfs(self.path.parent()?).ok().map(|space| space.f_bavail * space.f_frsize);
        if self.fill().is_ok() && room().is_some_and(|room| room >= RESERVE) {
            self.full.store(false, Ordering::Relaxed);
            tracing::info!("there is room on the disk again");
        }
    }
}

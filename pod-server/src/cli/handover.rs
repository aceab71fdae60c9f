//! Hands the data directory of a run over to a `pod serve` that is started meanwhile: a service must not fail to start
//! because of a run that embeds the manager. Both sides announce themselves by locked files, so that those of a dead
//! process do not count.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use pod_backends::private;

/// Locked by a run that embeds the manager and would hand the directory over.
const OFFER_FILE: &str = "manager.passing";
/// Locked by a `pod serve` that waits for the directory.
const CLAIM_FILE: &str = "manager.wanted";

/// A file that is locked while this lives. Dropping it leaves the file: another process may hold it by then.
#[derive(Debug)]
pub(crate) struct LockedMarker {
    _locked: File,
}

impl LockedMarker {
    /// Announces that this process would hand the directory over.
    pub(crate) fn offer(data_dir: &Path) -> io::Result<Self> {
        Self::keep(&data_dir.join(OFFER_FILE))
    }

    /// Announces that this process waits for the directory.
    pub(crate) fn claim(data_dir: &Path) -> io::Result<Self> {
        Self::keep(&data_dir.join(CLAIM_FILE))
    }

    fn keep(path: &Path) -> io::Result<Self> {
        let file = private::file().create(true).truncate(false).write(true).open(path)?;
        // Shared by all that announce the same. A check holds the lock for a moment only.
        file.lock_shared()?;
        Ok(Self { _locked: file })
    }
}

/// Whether the holder of the directory would hand it over.
pub(crate) fn is_offered(data_dir: &Path) -> bool {
    is_kept(&data_dir.join(OFFER_FILE))
}

/// Whether a `pod serve` waits for the directory.
pub(crate) fn is_claimed(data_dir: &Path) -> bool {
    is_kept(&data_dir.join(CLAIM_FILE))
}

fn is_kept(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_there_as_long_as_who_wrote_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let dir = directory.path();
        assert!(!is_claimed(dir) && !is_offered(dir));
        let note = LockedMarker::claim(dir).expect("a file");
        assert!(is_claimed(dir) && is_claimed(dir) && !is_offered(dir));
        drop(note);
        assert!(!is_claimed(dir));
        // What a process that was killed has left.
        std::fs::write(dir.join(OFFER_FILE), "").expect("a file");
        assert!(!is_offered(dir));
    }
}

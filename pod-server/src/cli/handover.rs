//! How a data directory that a run hosts the manager of goes to a `pod serve` that is started meanwhile: a service must
//! not fail to start because somebody's run found nobody there. Each says what it is by a file that it keeps locked, so
//! nothing is believed of a process that has died.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use pod_backends::private;

/// Kept by a run that hosts the manager, and would give the directory up.
const PASSING: &str = "manager.passing";
/// Kept by a `pod serve` that waits for that.
const WANTED: &str = "manager.wanted";

/// A file that is locked for as long as this lives. It stays where it is: another one may be kept there by then.
#[derive(Debug)]
pub(crate) struct Note {
    _locked: File,
}

impl Note {
    /// That this process would give the directory up.
    pub(crate) fn passing(data_dir: &Path) -> io::Result<Self> {
        Self::keep(&data_dir.join(PASSING))
    }

    /// That this process waits for the directory.
    pub(crate) fn wanted(data_dir: &Path) -> io::Result<Self> {
        Self::keep(&data_dir.join(WANTED))
    }

    fn keep(path: &Path) -> io::Result<Self> {
        let file = private::file().create(true).truncate(false).write(true).open(path)?;
        // Shared by all who say the same. Who looks has it for a moment only.
        file.lock_shared()?;
        Ok(Self { _locked: file })
    }
}

/// Whether who holds the directory would give it up.
pub(crate) fn is_passing(data_dir: &Path) -> bool {
    is_kept(&data_dir.join(PASSING))
}

/// Whether somebody who is to stay waits for the directory.
pub(crate) fn is_wanted(data_dir: &Path) -> bool {
    is_kept(&data_dir.join(WANTED))
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
        assert!(!is_wanted(dir) && !is_passing(dir));
        let note = Note::wanted(dir).expect("a file");
        assert!(is_wanted(dir) && is_wanted(dir) && !is_passing(dir));
        drop(note);
        assert!(!is_wanted(dir));
        // What a process that was killed has left.
        std::fs::write(dir.join(PASSING), "").expect("a file");
        assert!(!is_passing(dir));
    }
}

//! The logs of installations: small files of which the last piece is kept.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use pod_core::{
    domain::{ActivityId, RevisionNo, WorkerId},
    store::{Change, INSTALL_LOG_LIMIT, InstallLog},
};

use crate::private;

/// Where the logs are.
#[derive(Debug)]
pub(super) struct InstallLogs {
    root: PathBuf,
    /// A file is cut by one task at a time.
    writing: Mutex<()>,
}

impl InstallLogs {
    pub(super) fn at(root: PathBuf) -> Self {
        Self { root, writing: Mutex::new(()) }
    }

    fn path(&self, log: InstallLog) -> PathBuf {
        self.root.join(format!("{}.{}.{}", log.activity, log.revision, log.worker))
    }

    pub(super) fn append(&self, log: InstallLog, bytes: &[u8], restart: bool) -> io::Result<()> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        private::make_dir(&self.root)?;
        let path = self.path(log);
        let mut file = private::file().create(true).append(true).read(true).open(&path)?;
        if restart {
            file.set_len(0)?;
        }
        file.write_all(bytes)?;
        // Cutting rewrites the file, so it waits until there is as much to drop as to keep.
        if file.metadata()?.len() > 2 * INSTALL_LOG_LIMIT as u64 {
            let kept = last_piece(&path)?;
            file.set_len(0)?;
            file.write_all(&kept)?;
        }
        Ok(())
    }

    pub(super) fn read(&self, log: InstallLog) -> io::Result<Vec<u8>> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match last_piece(&self.path(log)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }

    /// Deletes the logs that go with what a committed change deleted.
    pub(super) fn discard(&self, change: &Change) -> io::Result<()> {
        let doomed = |log: InstallLog| match change {
            Change::DeleteActivity(activity) => log.activity == *activity,
            Change::DeleteRevision { activity, revision } => (log.activity, log.revision) == (*activity, *revision),
            Change::DeleteWorker(worker) => log.worker == *worker,
            _ => false,
        };
        if !matches!(change, Change::DeleteActivity(_) | Change::DeleteRevision { .. } | Change::DeleteWorker(_)) {
            return Ok(());
        }
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_str().and_then(parse).is_some_and(doomed) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn parse(name: &str) -> Option<InstallLog> {
    let mut parts = name.split('.');
    let activity = ActivityId(parts.next()?.parse().ok()?);
    let revision = RevisionNo(parts.next()?.parse().ok()?);
    Some(InstallLog { worker: WorkerId(parts.next()?.parse().ok()?), activity, revision })
}

fn last_piece(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let excess = file.metadata()?.len().saturating_sub(INSTALL_LOG_LIMIT as u64);
    file.seek(SeekFrom::Start(excess))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

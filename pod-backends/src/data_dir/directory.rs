//! The directories of workers below a data directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use pod_core::domain::{StoreId, WorkerId};
use serde::{Deserialize, Serialize};

use super::lock::make_private_dir;
use crate::private;

/// The part of a data directory with workers that are processes of this machine, or of the manager.
pub(crate) const LOCAL: &str = "workers";

/// Whose a worker is: the content of its `worker.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkerRecord {
    pub(crate) store: StoreId,
    pub(crate) worker: WorkerId,
    pub(crate) slots: u32,
}

/// The directories of all workers.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    data: PathBuf,
    part: &'static str,
}

impl Directories {
    /// Those of one kind, which have a part of the data directory for themselves. Makes what is missing.
    pub(crate) fn open(data: &Path, part: &'static str) -> io::Result<Self> {
        make_private_dir(data)?;
        let data = data.canonicalize()?;
        private::make_dir(&data.join(part))?;
        Ok(Self { data, part })
    }

    /// The same, to look at: makes nothing.
    pub(crate) fn below(data: &Path, part: &'static str) -> Self {
        Self { data: data.to_owned(), part }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The directory of one worker.
    pub(crate) fn of(&self, worker: WorkerId) -> PathBuf {
        self.data.join(self.part).join(worker.to_string())
    }

    /// Every worker that has a directory, with what it holds about itself.
    pub(crate) fn all(&self) -> io::Result<Vec<(WorkerId, Option<WorkerRecord>)>> {
        let mut found = Vec::new();
        let entries = match fs::read_dir(self.data.join(self.part)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            if let Some(worker) = name.to_str().and_then(|name| name.parse().ok()) {
                found.push((worker, WorkerRecord::read(&self.of(worker)).ok()));
            }
        }
        found.sort_by_key(|(worker, _)| *worker);
        Ok(found)
    }

    /// Deletes the directory of a worker; one that is not there is fine.
    #[cfg(feature = "docker")]
    pub(crate) fn remove(&self, worker: WorkerId) -> io::Result<()> {
        match fs::remove_dir_all(self.of(worker)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the directory of a worker, and writes whose it is.
    pub(crate) fn make(&self, record: WorkerRecord) -> io::Result<PathBuf> {
        let dir = self.of(record.worker);
        make_private_dir(&dir)?;
        record.write(&dir)?;
        Ok(dir)
    }
}

impl WorkerRecord {
    pub(crate) fn read(dir: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(dir.join("worker.json"))?)?)
    }

    /// Writes it whole, or not at all.
    fn write(&self, dir: &Path) -> io::Result<()> {
        let (new, path) = (dir.join("worker.json.new"), dir.join("worker.json"));
        let mut file = private::file().create(true).truncate(true).write(true).open(&new)?;
        io::Write::write_all(&mut file, &serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }
}

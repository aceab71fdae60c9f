//! The directories of workers below a data directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use pod_core::domain::{StoreId, WorkerId};
use serde::{Deserialize, Serialize};

use super::lock::make_private_dir;

/// Whose a worker is: the content of its `worker.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Certificate {
    pub(super) store: StoreId,
    pub(super) worker: WorkerId,
    pub(super) slots: u32,
}

/// The directories of all workers.
#[derive(Clone, Debug)]
pub(super) struct Directories {
    data: PathBuf,
}

impl Directories {
    /// Makes what is missing.
    pub(super) fn open(data: &Path) -> io::Result<Self> {
        make_private_dir(data)?;
        let data = data.canonicalize()?;
        make_private_dir(&data.join("workers"))?;
        Ok(Self { data })
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// The directory of one worker.
    pub(super) fn of(&self, worker: WorkerId) -> PathBuf {
        self.data.join("workers").join(worker.to_string())
    }

    /// Every worker that has a directory, with what it holds about itself.
    pub(super) fn all(&self) -> io::Result<Vec<(WorkerId, Option<Certificate>)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.data.join("workers"))? {
            let name = entry?.file_name();
            if let Some(worker) = name.to_str().and_then(|name| name.parse().ok()) {
                found.push((worker, Certificate::read(&self.of(worker)).ok()));
            }
        }
        found.sort_by_key(|(worker, _)| *worker);
        Ok(found)
    }

    /// Makes the directory of a worker, and writes whose it is.
    pub(super) fn make(&self, certificate: Certificate) -> io::Result<PathBuf> {
        let dir = self.of(certificate.worker);
        make_private_dir(&dir)?;
        certificate.write(&dir)?;
        Ok(dir)
    }
}

impl Certificate {
    pub(super) fn read(dir: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(dir.join("worker.json"))?)?)
    }

    /// Writes it whole, or not at all.
    fn write(&self, dir: &Path) -> io::Result<()> {
        let (new, path) = (dir.join("worker.json.new"), dir.join("worker.json"));
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }
}

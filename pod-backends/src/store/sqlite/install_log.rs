//! The output of installations: a file each, of which the last part is kept.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use pod_core::store::{INSTALL_LOG_LIMIT, InstallLog, StoreError};

use super::output::disk;

fn path(dir: &Path, log: InstallLog) -> PathBuf {
    dir.join("install").join(format!("{}-{}-{}.log", log.worker, log.activity, log.revision))
}

pub(super) fn append(dir: &Path, log: InstallLog, bytes: &[u8], restart: bool) -> Result<(), StoreError> {
    let path = path(dir, log);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(disk)?;
    }
    let mut options = OpenOptions::new();
    let options = if restart { options.write(true).truncate(true) } else { options.append(true) };
    let mut file = options.create(true).open(&path).map_err(disk)?;
    file.write_all(bytes).map_err(disk)?;
    // Cut now and then, not at every piece.
    if file.metadata().map_err(disk)?.len() > 2 * INSTALL_LOG_LIMIT as u64 {
        let kept = last_part(fs::read(&path).map_err(disk)?);
        fs::write(&path, kept).map_err(disk)?;
    }
    Ok(())
}

pub(super) fn read(dir: &Path, log: InstallLog) -> Result<Bytes, StoreError> {
    match fs::read(path(dir, log)) {
        Ok(bytes) => Ok(last_part(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Bytes::new()),
        Err(error) => Err(disk(error)),
    }
}

fn last_part(bytes: Vec<u8>) -> Bytes {
    let start = bytes.len().saturating_sub(INSTALL_LOG_LIMIT);
    Bytes::from(bytes).slice(start..)
}

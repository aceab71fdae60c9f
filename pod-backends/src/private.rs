//! Files and directories for their owner only, also where the directory that they lie in is open to others: outputs,
//! inputs and the variables of activities are nobody else's business. The umask is left alone: programs inherit it.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// What others may do, in a mode.
const OTHERS: u32 = 0o077;

/// Makes a directory that only its owner may enter, with those above it. One that is there is closed to others.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    close(dir)
}

/// Options that make a file which only its owner may read.
#[must_use]
pub fn file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Takes from others what they may do with a file or directory of ours. One that is not there is fine.
pub fn close(path: &Path) -> io::Result<()> {
    let mode = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?.permissions().mode(),
    };
    if mode & OTHERS == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS))
}

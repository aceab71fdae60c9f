//! Work that is done with no more rights than who runs programs has, where that is somebody else than who runs the worker.

use std::{
    fs::{self, DirBuilder},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::Path,
};

use crate::{sys, user::User};

/// Makes this process that user for good.
pub fn become_user(user: Option<&User>) -> io::Result<()> {
    let Some(User { uid, gid, groups }) = user else { return Ok(()) };
    sys::become_user(*uid, *gid, groups)
}

/// Makes a directory that belongs to that user, in one that does not. What is there already must be one.
pub fn make_dir_of(user: &User, path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(path)?;
            let is_theirs = found.is_dir() && [user.uid, 0].contains(&found.uid());
            if !is_theirs {
                return Err(ErrorKind::PermissionDenied.into());
            }
        }
        made => made?,
    }
    chown(path, Some(user.uid), Some(user.gid))
}

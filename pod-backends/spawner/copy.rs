//! Copies what an activity installed. Where the file system can, both share what is on the disk until one of them is
//! written to: the system's own copying sees to that.

use std::{
    fs::{self, DirBuilder, File, FileTimes, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
};

/// What a file may have of permissions; a copy belongs to this process, whoever it is that has the original.
const PERMISSIONS: u32 = 0o777;

/// Copies a file, a link, or a directory with all that is in it, with permissions and times. Pipes, sockets and devices
/// are left out: no installation needs them, and none of them is the same one in a copy.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(from)?;
    if found.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    if found.is_dir() {
        DirBuilder::new().mode(0o700).create(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if found.is_file() {
        fs::copy(from, to)?;
    } else {
        return Ok(());
    }
    let times = FileTimes::new().set_modified(found.modified()?).set_accessed(found.accessed()?);
    // What cannot be opened, as a file that its owner may not read, was not copied either.
    File::open(to)?.set_times(times)?;
    fs::set_permissions(to, Permissions::from_mode(found.mode() & PERMISSIONS))
}

//! What is to be deleted: moved out of the way at once, and deleted by a process that does nothing else, off the path of
//! work.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{self, DirBuilder, Permissions},
    io::{self, ErrorKind},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use crate::{
    file_calls::{c_path, own_ids, unmount},
    sys,
};

/// Where it lies, beside the working directories.
const NAME: &str = "trash";
/// After so many pieces a slot looks whether the sweeper keeps up.
const CHECK_EVERY: u64 = 32;
/// So many pieces may wait for it.
const MAX_WAITING: usize = 64;

/// Where a process puts what is to be deleted.
pub struct Trash {
    dir: PathBuf,
    /// Tells the sweeper, where that is another process.
    bell: Option<OwnedFd>,
    count: u64,
}

impl Trash {
    pub fn new(base: &Path, bell: Option<OwnedFd>) -> Self {
        Self { dir: trash_of(base), bell, count: 0 }
    }

    /// Moves something out of the way; that it is not there is fine.
    pub fn take(&mut self, path: &Path) -> io::Result<()> {
        loop {
            self.count += 1;
            let aside = self.dir.join(format!("{}-{}", std::process::id(), self.count));
            let moved = match fs::rename(path, &aside) {
                // Something is mounted over it, here alone: a program did that.
                Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                    unmount(&c_path(path)?);
                    fs::rename(path, &aside)
                }
                moved => moved,
            };
            match moved {
                // A process that had the number of this one has left it.
                Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {}
                Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::NotFound && !self.dir.exists() => make_dir(&self.dir)?,
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        self.bell.iter().for_each(sys::ring);
        // What comes faster than one process deletes it is deleted by who brings it.
        if self.count.is_multiple_of(CHECK_EVERY)
            && fs::read_dir(&self.dir).is_ok_and(|list| list.count() > MAX_WAITING)
        {
            self.empty();
        }
        Ok(())
    }

    /// Deletes what is there now.
    pub fn empty(&self) {
        sweep(&self.dir, &mut HashSet::new());
    }
}

/// Where the trash of a directory of working directories is.
pub fn trash_of(base: &Path) -> PathBuf {
    base.join(NAME)
}

/// Makes all that is in a directory of working directories trash.
pub fn take_all(base: &Path) -> io::Result<()> {
    make_base(base)?;
    let trash = trash_of(base);
    make_dir(&trash)?;
    let mut bin = Trash::new(base, None);
    for entry in fs::read_dir(base)?.flatten() {
        if entry.path() != trash {
            bin.take(&entry.path())?;
        }
    }
    Ok(())
}

/// Makes a directory of working directories, where it is not there. It may be one among those of other users.
pub fn make_base(base: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(base) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(base)?;
            let is_own = found.is_dir() && found.uid() == own_ids().0;
            if is_own { Ok(()) } else { Err(ErrorKind::PermissionDenied.into()) }
        }
        made => made,
    }
}

fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Deletes what is in a directory, but what could not be deleted before: that is kept in `stuck`.
///
/// Directories within directories are moved to the top before they are looked into. So no depth is too great, and nothing
/// is entered that is mounted there, which cannot be moved. Several may sweep at a time.
pub fn sweep(trash: &Path, stuck: &mut HashSet<OsString>) {
    let mut count = 0_u64;
    loop {
        let mut idle = true;
        for entry in fs::read_dir(trash).into_iter().flatten().flatten() {
            if stuck.contains(&entry.file_name()) {
                continue;
            }
            idle = false;
            if !remove(trash, &entry.path(), &mut count) {
                stuck.insert(entry.file_name());
            }
        }
        if idle {
            return;
        }
    }
}

/// Deletes a file, or a directory but for the directories that are moved out of it. Whether it is gone.
fn remove(trash: &Path, path: &Path, count: &mut u64) -> bool {
    match fs::symlink_metadata(path) {
        Err(_) => return true,
        Ok(found) if !found.is_dir() => return is_gone(fs::remove_file(path)),
        // Whatever a program has made of it, it belongs to this process.
        Ok(found) if found.permissions().mode() & 0o700 != 0o700 => open_up(path),
        Ok(_) => {}
    }
    loop {
        let mut progress = false;
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let inner = entry.path();
            let removed = if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                is_gone(fs::remove_dir(&inner)) || move_up(trash, &inner, count)
            } else {
                is_gone(fs::remove_file(&inner))
            };
            progress |= removed;
        }
        if is_gone(fs::remove_dir(path)) {
            return true;
        }
        if !progress {
            return false;
        }
    }
}

fn move_up(trash: &Path, dir: &Path, count: &mut u64) -> bool {
    let mut tries = 0;
    loop {
        *count += 1;
        let up = trash.join(format!("{}.{count}", std::process::id()));
        match fs::rename(dir, up) {
            Ok(()) => return true,
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {}
            // What is in it would be elsewhere then: for that it must be writable itself.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && tries == 0 => {
                tries += 1;
                open_up(dir);
            }
            Err(error) => return error.kind() == ErrorKind::NotFound,
        }
    }
}

fn open_up(dir: &Path) {
    let _ = fs::set_permissions(dir, Permissions::from_mode(0o700));
}

fn is_gone(removed: io::Result<()>) -> bool {
    removed.map_or_else(|error| error.kind() == ErrorKind::NotFound, |()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_program_left_is_deleted() {
        let trash = std::env::temp_dir().join(format!("pod-trash-{}", std::process::id()));
        let deep = trash.join("deep");
        fs::create_dir_all(&deep).expect("a directory");
        let mut at = deep.clone();
        for level in 0..200 {
            at.push(format!("level-{level}"));
            fs::create_dir(&at).expect("a directory");
            fs::write(at.join("file"), b"x").expect("a file");
        }
        fs::set_permissions(deep.join("level-0"), Permissions::from_mode(0o000)).expect("it is ours");
        let outside = trash.with_extension("outside");
        fs::create_dir_all(outside.join("kept")).expect("a directory");
        std::os::unix::fs::symlink(&outside, trash.join("link")).expect("a link");
        fs::write(trash.join("file"), b"x").expect("a file");
        let mut stuck = HashSet::new();
        sweep(&trash, &mut stuck);
        assert!(stuck.is_empty());
        fs::remove_dir(&trash).expect("nothing is left in it");
        assert!(outside.join("kept").is_dir(), "a link is not followed");
        fs::remove_dir_all(outside).expect("it can be deleted");
    }
}

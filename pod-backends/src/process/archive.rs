//! Unpacks an activity's directory. What may be in an archive is decided by [`pod_core::archive`]; nothing in it reaches
//! out of the directory.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

pub use pod_core::archive::stays_within;
use pod_core::archive::{self, Entry, Kind, Sieve};
use rustix::io::Errno;

use super::layout::remove_tree;

/// Why an archive was not unpacked.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The archive is at fault: a sentence.
    Content(String),
    /// The disk.
    Io(io::Error),
}

impl From<archive::Refused> for Refused {
    fn from(refused: archive::Refused) -> Self {
        Self::Content(refused.to_string())
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Unpacks a tar.gz into an empty directory: beside it, and into its place once all of it is there.
#[cfg(feature = "docker")]
pub(crate) fn unpack(bytes: &[u8], dir: &Path) -> Result<(), Refused> {
    unpack_by(dir, |beside| fill(bytes, beside))
}

/// The same, where somebody else than this process's user may fill the new directory, and nothing around it.
pub(super) fn unpack_by(dir: &Path, fill: impl FnOnce(&Path) -> Result<(), Refused>) -> Result<(), Refused> {
    let mut beside = dir.as_os_str().to_owned();
    beside.push(".unpacking");
    let beside = PathBuf::from(beside);
    remove_tree(&beside)?;
    DirBuilder::new().mode(0o755).create(&beside)?;
    let unpacked = fill(&beside).and_then(|()| Ok(fs::rename(&beside, dir)?));
    if unpacked.is_err()
        && let Err(error) = remove_tree(&beside)
    {
        tracing::warn!(%error, "what was unpacked of an archive could not be deleted");
    }
    unpacked
}

pub(super) fn fill(bytes: &[u8], dir: &Path) -> Result<(), Refused> {
    let mut sieve = Sieve::new(bytes);
    let mut piece = vec![0; 64 << 10];
    let mut directories = Vec::new();
    while let Some(entry) = sieve.next_entry()? {
        let path = dir.join(OsStr::from_bytes(&entry.path));
        let failed = |error| unpacking(error, &entry);
        if entry.replaces && entry.kind != Kind::Directory {
            fs::remove_file(&path).map_err(failed)?;
        }
        match &entry.kind {
            Kind::Directory => {
                match DirBuilder::new().mode(0o755).create(&path) {
                    Err(error) if !entry.replaces || error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(failed(error));
                    }
                    _ => {}
                }
                directories.push((path, entry.mode));
            }
            Kind::File { .. } => {
                // New: what is there is never followed or written to.
                let mut file =
                    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
                loop {
                    match sieve.read(&mut piece)? {
                        0 => break,
                        read => file.write_all(&piece[..read]).map_err(failed)?,
                    }
                }
                finish(&file, &entry).map_err(failed)?;
            }
            Kind::Link { target } => symlink(OsStr::from_bytes(target), &path).map_err(failed)?,
            Kind::SameAs { target } => {
                fs::hard_link(dir.join(OsStr::from_bytes(target)), &path).map_err(failed)?;
            }
        }
    }
    // Last, and from the inside: a directory that nobody may write can still be filled. Its owner can always delete it.
    for (path, mode) in directories.into_iter().rev() {
        fs::set_permissions(path, Permissions::from_mode(mode | 0o700))?;
    }
    Ok(())
}

/// Gives a file its permissions, which never keep its owner from reading it, and its time: what was compiled from it may
/// be recognised by that.
fn finish(file: &File, entry: &Entry) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(entry.mode | 0o400))?;
    match UNIX_EPOCH.checked_add(Duration::from_secs(entry.mtime)).map(|time| file.set_modified(time)) {
        // A time that the file system does not know is no reason to refuse a program.
        Some(Err(error)) if error.raw_os_error() != Some(Errno::INVAL.raw_os_error()) => Err(error),
        _ => Ok(()),
    }
}

/// What no disk would take is the archive's fault; anything else is this one's.
fn unpacking(error: io::Error, entry: &Entry) -> Refused {
    let why = match Errno::from_io_error(&error) {
        Some(Errno::NAMETOOLONG) => "has a longer name than the worker's disk takes",
        Some(Errno::ILSEQ | Errno::INVAL) => "has a name that the worker's disk does not take",
        Some(Errno::MLINK) => "is one name too many for the same file",
        Some(Errno::FBIG) => "is larger than the worker's disk takes",
        Some(Errno::EXIST | Errno::ISDIR | Errno::NOTDIR | Errno::LOOP) => {
            "is on the worker's disk the same as another one, whose name differs by little"
        }
        _ => return Refused::Io(error),
    };
    archive::Refused::entry(&entry.path, why).into()
}

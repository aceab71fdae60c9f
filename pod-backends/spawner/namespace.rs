//! Mounts of a slot's own, where they can be had: in them an installation can be read only, so that no execution leaves
//! anything there for another one.

use std::{
    ffi::CStr,
    fs::{self, File},
    io,
    path::Path,
    process::exit,
};

use crate::{
    file_calls::{bind_read_only, c_path, keep_mounts, own_ids, unmount, unshare_mounts},
    sys::{self, Child},
};

const READ_ONLY_FILE_SYSTEM: i32 = 30;

/// What this process may do about mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounts {
    /// None can be had.
    None,
    /// It may mount.
    Own,
    /// It may in a user namespace.
    InUserNamespace,
}

impl Mounts {
    /// Tries it out in a child: what is half possible would leave this process with half of it.
    pub fn find(dir: &Path) -> Self {
        let ways = [Self::Own, Self::InUserNamespace];
        ways.into_iter().find(|way| in_child(|| way.enter().and_then(|()| try_out(dir)).is_ok())).unwrap_or(Self::None)
    }

    /// Whether there are any to be had.
    pub fn are_possible(self) -> bool {
        self != Self::None
    }

    /// Gives this process mounts of its own. It must have one thread.
    pub fn enter(self) -> io::Result<()> {
        let (user, group) = own_ids();
        match self {
            Self::None => return Err(io::ErrorKind::Unsupported.into()),
            Self::Own => unshare_mounts(false)?,
            Self::InUserNamespace => {
                unshare_mounts(true)?;
                // Without that no group may be mapped.
                fs::write("/proc/self/setgroups", "deny")?;
                fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
                fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
            }
        }
        keep_mounts()
    }
}

/// Whether a directory can be made read only, and is.
fn try_out(dir: &Path) -> io::Result<()> {
    let path: &CStr = &c_path(dir)?;
    bind_read_only(path)?;
    let written = File::create(dir.join("tried"));
    unmount(path);
    match written {
        Err(error) if error.raw_os_error() == Some(READ_ONLY_FILE_SYSTEM) => Ok(()),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Whether something went well in a child. This process must have one thread, and no other children.
fn in_child(work: impl FnOnce() -> bool) -> bool {
    match unsafe { sys::fork() } {
        0 => exit(i32::from(!work())),
        pid if pid < 0 => false,
        pid => loop {
            match sys::wait_for(pid) {
                Child::Ended(_, status) => break status == 0,
                Child::Busy => {}
                Child::None => break false,
            }
        },
    }
}

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
    as_user::become_user,
    file_calls::{bind_read_only, c_path, enter_mounts, keep_mounts, own_ids, unmount, unshare_mounts},
    sys::{self, Child},
    user::User,
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
    /// Tries it out in a child, as the user who is to run programs: what is half possible would leave this process with
    /// half of it.
    pub fn find(dir: &Path, user: Option<&User>) -> Self {
        let ways = [Self::Own, Self::InUserNamespace];
        ways.into_iter()
            .find(|way| in_child(|| become_user(user).and_then(|()| way.enter()).and_then(|()| try_out(dir)).is_ok()))
            .unwrap_or(Self::None)
    }

    /// Gives this process mounts of its own. It must have one thread.
    fn enter(self) -> io::Result<()> {
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

/// Mounts, and what is the root among them.
struct Side {
    mounts: File,
    root: File,
}

impl Side {
    fn of_this_process() -> io::Result<Self> {
        Ok(Self { mounts: File::open("/proc/self/ns/mnt")?, root: File::open("/")? })
    }

    fn enter(&self) -> io::Result<()> {
        enter_mounts(&self.mounts, &self.root)
    }
}

/// The mounts that a slot works with: those that everybody sees, and its own.
pub struct Sides {
    mounts: Mounts,
    /// Both, where one can go back and forth.
    files: Option<[Side; 2]>,
    own: bool,
}

impl Sides {
    pub fn new(mounts: Mounts) -> Self {
        Self { mounts, files: None, own: false }
    }

    /// Whether this process is at its own.
    pub fn is_at_own(&self) -> bool {
        self.own
    }

    /// Goes to its own, where there can be some.
    pub fn go_to_own(&mut self) -> io::Result<()> {
        if self.own || self.mounts == Mounts::None {
            return Ok(());
        }
        match &self.files {
            Some([_, own]) => own.enter()?,
            None => {
                let everybodys = Side::of_this_process()?;
                self.mounts.enter()?;
                if self.mounts == Mounts::Own {
                    self.files = Some([everybodys, Side::of_this_process()?]);
                }
            }
        }
        self.own = true;
        Ok(())
    }

    /// Goes to those that everybody sees. Whether it could.
    pub fn go_to_everybodys(&mut self) -> bool {
        if self.own && self.files.as_ref().is_some_and(|[everybodys, _]| everybodys.enter().is_ok()) {
            self.own = false;
        }
        !self.own
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
pub fn in_child(work: impl FnOnce() -> bool) -> bool {
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

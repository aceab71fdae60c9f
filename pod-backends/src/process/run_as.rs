//! Programs of another user than the worker's. The slots become that user when they start, and what programs need to
//! reach lies in a directory of its own beside the data directory, which stays closed to everybody else.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt, chown},
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use rustix::{
    process::{Gid, Uid, geteuid},
    thread::{
        CapabilitySet, capabilities, set_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};
use serde::{Deserialize, Serialize};

use super::user::User;

/// The file in a worker's directory that says who runs its programs.
const NOTE: &str = "run-as.json";
/// Added to the name of a data directory for what its programs reach.
const BESIDE: &str = "-programs";
/// What can be gone through by who knows the way, and looked around in by nobody.
const PASSAGE: u32 = 0o711;

/// What a worker has to be allowed.
const NEEDED: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::KILL);

/// Who runs programs, and where what they need lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAs {
    name: String,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    home: PathBuf,
    /// Where each worker has a directory for its programs.
    files: PathBuf,
}

impl RunAs {
    /// Looks a user up who is to run the programs of the workers below `data`, or of the one worker there, and makes the
    /// directory beside it. A sentence when there is no such user, it is root or this process's own, this process may not
    /// become another user, or that one could not reach the directory.
    pub fn find(user: &str, data: &Path) -> Result<Self, String> {
        let allowed = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
        if !allowed.contains(NEEDED) {
            return Err(
                "programs can only run as another user where POD was started as root, or with the capabilities \
                 SETUID, SETGID, CHOWN, DAC_OVERRIDE, FOWNER and KILL as ambient ones (AmbientCapabilities= of a unit)"
                    .to_owned(),
            );
        }
        let (uid, gid, groups) = look_up(user)?;
        if uid == 0 || uid == geteuid().as_raw() {
            return Err(format!(
                "{user:?} is root or the user of POD itself: programs are to run as one who owns nothing else, \
                 such as a user made for them by useradd --system pod-programs"
            ));
        }
        let home = home(uid).filter(|home| home.is_dir()).unwrap_or_else(|| "/".into());
        let beside =
            |error: io::Error| format!("the directory of programs beside {} cannot be made: {error}", data.display());
        let data = std::path::absolute(data).map_err(beside)?;
        let mut name = OsString::from(data.file_name().ok_or("the data directory must not be /")?);
        name.push(BESIDE);
        let files = data.with_file_name(name);
        if let Some(parent) = files.parent() {
            fs::create_dir_all(parent).map_err(beside)?;
        }
        make_passage(&files).map_err(beside)?;
        let found = Self { name: user.to_owned(), uid, gid, groups, home, files };
        match found.act(|| fs::metadata(found.files.join("."))) {
            Ok(Ok(_)) => Ok(found),
            Ok(Err(error)) | Err(error) => Err(format!(
                "{user} cannot reach {}, where its programs would be ({error}): open the directories above it for others \
                 to pass (chmod o+x), or choose another directory, such as one below /var/lib",
                found.files.display()
            )),
        }
    }

    /// Writes down who runs the programs of the worker of a directory; that its own user does where there is nobody.
    pub fn note(of: Option<&Self>, dir: &Path) -> io::Result<()> {
        let (path, new) = (dir.join(NOTE), dir.join("run-as.json.new"));
        match of {
            Some(run_as) => {
                fs::write(&new, serde_json::to_vec(run_as)?)?;
                fs::rename(new, path)
            }
            None => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Who runs the programs of the worker of a directory, as it was written down.
    pub(crate) fn of(dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(dir.join(NOTE)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the programs of the worker of a directory find what they need.
    pub(super) fn files_of(&self, dir: &Path) -> PathBuf {
        self.files.join(dir.file_name().unwrap_or_default())
    }

    /// The same, made if it is not there.
    pub(super) fn make_files_of(&self, dir: &Path) -> io::Result<PathBuf> {
        make_passage(&self.files)?;
        let files = self.files_of(dir);
        make_passage(&files)?;
        Ok(files)
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn user(&self) -> User {
        User { uid: self.uid, gid: self.gid, groups: self.groups.clone() }
    }

    /// Gives a file or directory to that user.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Does file work as that user would, who may have put anything in its way: a link that leads elsewhere, say. It is
    /// done by a thread of its own, which nobody but root may signal.
    pub(super) fn act<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let as_user = || {
            let groups: Vec<Gid> = self.groups.iter().map(|&group| Gid::from_raw(group)).collect();
            set_thread_groups(&groups)?;
            set_thread_res_gid(None, Gid::from_raw(self.gid), None)?;
            set_thread_res_uid(None, Uid::from_raw(self.uid), None)?;
            // Only root loses these with that.
            let mut sets = capabilities(None)?;
            sets.effective = CapabilitySet::empty();
            set_capabilities(None, sets)?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(as_user).join().unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

/// Makes a directory that others may pass through.
pub(super) fn make_passage(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(PASSAGE).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Whatever the umask took away.
    fs::set_permissions(dir, Permissions::from_mode(PASSAGE))
}

/// Asks the system, which may have its users from anywhere.
fn look_up(user: &str) -> Result<(u32, u32, Vec<u32>), String> {
    let unknown = || format!("there is no user {user:?} on this machine; name one that there is, such as nobody");
    if user.is_empty() || user.starts_with('-') || user.contains(char::is_whitespace) {
        return Err(unknown());
    }
    let ask = |what: &str| {
        let answer = Command::new("id").args([what, "--", user]).output();
        let answer =
            answer.map_err(|error| format!("the user {user:?} cannot be looked up with the program id: {error}"))?;
        let numbers = String::from_utf8_lossy(&answer.stdout).split_whitespace().map(str::parse).collect();
        match numbers {
            Ok(numbers) if answer.status.success() => Ok::<Vec<u32>, String>(numbers),
            _ => Err(unknown()),
        }
    };
    match (ask("-u")?[..].first(), ask("-g")?[..].first(), ask("-G")?) {
        (Some(&uid), Some(&gid), groups) => Ok((uid, gid, groups)),
        _ => Err(unknown()),
    }
}

/// The home of a user of this machine's own list.
fn home(uid: u32) -> Option<PathBuf> {
    let list = fs::read_to_string("/etc/passwd").ok()?;
    list.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(uid)).then(|| fields.get(5).map(PathBuf::from))?
    })
}

//! Where everything lies in a worker's directory. Installations are named by ids, never by what a user wrote.
//!
//! Where programs have another user than the worker, `activities`, `scripts` and `inputs` are in a directory beside the
//! data directory, as that user may not pass through this one.
//!
//! ```text
//! executor.lock            locked while an executor uses the directory; holds its process id
//! mark                     what the environment of every program of this directory holds
//! run-as.json              who runs programs, if not the worker's own user
//! supervisor                  process id and start time of the spawner that runs, or ran last
//! activities/7-2/          revision 2 of activity 7, at the path where it was installed
//! activities/7-2.ok        it is complete; written last, and says how its main.sh is run, and what that looks like
//! activities/7-2.damaged-1 one that was damaged, while something still runs in it
//! scripts/7-2.sh           its installation script, while that runs
//! w/3a/d/                  a working directory of slot 3; elsewhere where that would be too long a path
//! inputs/19.1              the input of attempt 1 of execution 19, while that runs, if it is too long for an argument
//! ```

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use pod_core::{
    domain::{ActivityId, AttemptKey, RevisionNo},
    executor::ExecutorError,
};
use uuid::Uuid;

use super::{
    entry::Entry,
    run_as::{RunAs, make_passage},
    witness::Witness,
};

/// An installation.
pub(crate) type Key = (ActivityId, RevisionNo);

/// What is to be known of an installation in order to run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Installed {
    pub(super) entry: Entry,
    /// What its `main.sh` looked like when it was complete.
    pub(super) main: Witness,
}

/// The path of a socket has at most 107 bytes, and its name in a working directory needs some of them.
const LONGEST_WORKDIR: usize = 60;

#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
    /// Where that lies which programs reach.
    files: PathBuf,
    run_as: Option<Arc<RunAs>>,
}

impl Layout {
    /// Makes the directory where it is missing, and takes it for this process alone.
    pub(super) fn open(dir: &Path) -> Result<(Self, File), ExecutorError> {
        let failed = |error: io::Error| ExecutorError {
            message: format!("the worker's directory {} cannot be used: {error}", dir.display()),
        };
        fs::create_dir_all(dir).map_err(failed)?;
        let root = dir.canonicalize().map_err(failed)?;
        let run_as = RunAs::of(&root).map_err(failed)?.map(Arc::new);
        let files = match &run_as {
            Some(run_as) => run_as.make_files_of(&root).map_err(failed)?,
            None => root.clone(),
        };
        for part in ["activities", "scripts", "inputs"].map(|part| files.join(part)) {
            match run_as {
                Some(_) => make_passage(&part).map_err(failed)?,
                None => fs::create_dir_all(part).map_err(failed)?,
            }
        }
        let lock_path = root.join("executor.lock");
        let mut lock =
            File::options().create(true).truncate(false).read(true).write(true).open(&lock_path).map_err(failed)?;
        match lock_soon(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let message = format!(
                    "the worker's directory {} is in use by the process {}; give each worker a directory of its own",
                    root.display(),
                    holder.trim()
                );
                return Err(ExecutorError { message });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok((Self { root, files, run_as }, lock))
    }

    /// Who runs programs, if not the worker's own user.
    pub(super) fn run_as(&self) -> Option<&RunAs> {
        self.run_as.as_deref()
    }

    /// Gives a file or directory to who runs programs.
    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        self.run_as().map_or(Ok(()), |run_as| run_as.own(path))
    }

    /// Does file work where who runs programs may change anything meanwhile: with no more rights than that user has.
    pub(super) fn act<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        match self.run_as() {
            Some(run_as) => run_as.act(work),
            None => Ok(work()),
        }
    }

    /// The directory of an installation.
    pub(super) fn activity(&self, (activity, revision): Key) -> PathBuf {
        self.files.join("activities").join(format!("{activity}-{revision}"))
    }

    /// The program of an installation.
    pub(super) fn main(&self, key: Key) -> PathBuf {
        self.activity(key).join("main.sh")
    }

    fn marker(&self, (activity, revision): Key) -> PathBuf {
        self.files.join("activities").join(format!("{activity}-{revision}.ok"))
    }

    /// Where an installation script lies while it runs.
    pub(super) fn script(&self, (activity, revision): Key) -> PathBuf {
        self.files.join("scripts").join(format!("{activity}-{revision}.sh"))
    }

    /// Where a long input lies while its execution runs.
    pub(super) fn input(&self, key: AttemptKey) -> PathBuf {
        self.files.join("inputs").join(key.to_string())
    }

    /// Where the spawner that runs is noted down.
    pub(super) fn supervisor(&self) -> PathBuf {
        self.root.join("nursery")
    }

    /// Where the working directories of so many slots are: here, or below `/tmp` where the paths would become so long that
    /// a socket in them has no room for a name of its own.
    pub(super) fn workdirs(&self, mark: &str, slots: u32) -> PathBuf {
        let [here, elsewhere] = self.all_workdirs(mark);
        let longest = here.join(format!("{slots}a/d/.pod/results"));
        if longest.as_os_str().len() <= LONGEST_WORKDIR { here } else { elsewhere }
    }

    /// Where the working directories of any number of slots can be.
    pub(super) fn all_workdirs(&self, mark: &str) -> [PathBuf; 2] {
        [self.files.join("w"), PathBuf::from(format!("/tmp/pod-{}", mark.get(..12).unwrap_or(mark)))]
    }

    /// Where the spawner is put when it cannot run from memory.
    pub(super) fn spawner(&self) -> PathBuf {
        self.root.join("pod-spawner")
    }

    /// The mark of this directory, chosen when it was first used.
    pub(super) fn mark(&self) -> Result<String, ExecutorError> {
        let path = self.root.join("mark");
        if let Some(mark) = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<Uuid>().ok()) {
            return Ok(mark.simple().to_string());
        }
        let mark = Uuid::new_v4().simple().to_string();
        fs::write(&path, format!("{mark}\n")).map_err(|error| ExecutorError {
            message: format!("the worker's directory {} cannot be written: {error}", self.root.display()),
        })?;
        Ok(mark)
    }

    /// Deletes what belonged to runs that are over.
    pub(super) fn clear_runs(&self) -> Result<(), ExecutorError> {
        for part in ["scripts", "inputs"] {
            for path in self.entries(part)? {
                remove_tree(&path).map_err(|error| cannot_clear(&path, &error))?;
            }
        }
        Ok(())
    }

    /// Deletes installations that were not completed, and gives the complete ones.
    pub(super) fn clear_unfinished(&self) -> Result<HashMap<Key, Installed>, ExecutorError> {
        let mut complete = HashMap::new();
        for path in self.entries("activities")? {
            let key = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".ok").and_then(parse_key));
            if let Some((key, installed)) = key.and_then(|key| Some((key, self.installed(key, &path)?))) {
                complete.insert(key, installed);
            }
        }
        let keep: Vec<PathBuf> = complete.keys().flat_map(|&key| [self.activity(key), self.marker(key)]).collect();
        for path in self.entries("activities")? {
            if !keep.contains(&path) {
                remove_tree(&path).map_err(|error| cannot_clear(&path, &error))?;
            }
        }
        Ok(complete)
    }

    /// What the mark of completion says.
    fn installed(&self, key: Key, marker: &Path) -> Option<Installed> {
        let text = fs::read_to_string(marker).ok()?;
        let mut lines = text.lines();
        let entry = Entry::from_word(lines.next()?.trim())?;
        let main = match lines.next() {
            Some(main) => main.parse().ok()?,
            // Of a version that did not note it down: taken for what it was.
            None => Witness::of(&self.main(key)).ok()?,
        };
        self.activity(key).is_dir().then_some(Installed { entry, main })
    }

    fn entries(&self, part: &str) -> Result<Vec<PathBuf>, ExecutorError> {
        let dir = self.files.join(part);
        let list = || fs::read_dir(&dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
        list().map_err(|error| ExecutorError {
            message: format!("the worker's directory {} cannot be read: {error}", dir.display()),
        })
    }

    /// Marks an installation as complete, once everything in it is on the disk.
    pub(super) fn complete(&self, key: Key, entry: Entry) -> io::Result<Installed> {
        rustix::fs::syncfs(File::open(self.activity(key))?)?;
        let main = Witness::of(&self.main(key))?;
        let mut marker = File::create(self.marker(key))?;
        writeln!(marker, "{}\n{main}", entry.word())?;
        marker.sync_all()?;
        File::open(self.files.join("activities"))?.sync_all()?;
        Ok(Installed { entry, main })
    }

    /// Gives the files of an installation another place, where something may go on running in them. Nothing where there
    /// are none.
    pub(super) fn set_aside(&self, key: Key) -> io::Result<Option<PathBuf>> {
        remove_tree(&self.marker(key))?;
        let (from, mut number) = (self.activity(key), 1);
        loop {
            let to = from.with_file_name(format!("{}-{}.damaged-{number}", key.0, key.1));
            match fs::symlink_metadata(&to) {
                Ok(_) => number += 1,
                Err(_) => {
                    return match fs::rename(&from, &to) {
                        Ok(()) => Ok(Some(to)),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                        Err(error) => Err(error),
                    };
                }
            }
        }
    }

    /// Deletes an installation: the mark of its completion first, so that nobody takes the rest for whole.
    pub(super) fn remove(&self, key: Key) -> io::Result<()> {
        remove_tree(&self.marker(key))?;
        File::open(self.files.join("activities"))?.sync_all()?;
        remove_tree(&self.activity(key))?;
        remove_tree(&self.script(key))
    }
}

/// A child that some thread is about to replace by a program holds the lock of an executor that is gone for a moment.
fn lock_soon(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..20 {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            other => return other,
        }
    }
    lock.try_lock()
}

fn cannot_clear(path: &Path, error: &io::Error) -> ExecutorError {
    ExecutorError { message: format!("{}, left by an earlier run, cannot be deleted: {error}", path.display()) }
}

fn parse_key(name: &str) -> Option<Key> {
    let (activity, revision) = name.split_once('-')?;
    Some((activity.parse::<ActivityId>().ok()?, revision.parse::<RevisionNo>().ok()?))
}

/// Deletes a file or a directory with all that is in it; what is not there is fine. Directories that their owner
/// may not change, as some package managers leave them, are opened up first.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let remove = || match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    let first = match remove() {
        // Nobody else's directories: what is root's business is not refused for such a reason.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !rustix::process::geteuid().is_root() => {
            open_up(path);
            remove()
        }
        other => other,
    };
    match first {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn open_up(dir: &Path) {
    if !fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir()) {
        return;
    }
    let _ = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        open_up(&entry.path());
    }
}

//! One working directory: made from an installation, looked at after each execution, and used again only where nothing
//! tells it from a new one.
//!
//! ```text
//! OUTER/                 what a program finds above its working directory
//! OUTER/d/               the working directory: a link to, or a copy of, each thing at the top of the installation
//! OUTER/d/.pod/tmp/      TMPDIR
//! OUTER/d/.pod/results/  POD_RESULTS
//! ```
//!
//! Whether anything was done to a directory is seen by its times. They stand still for some milliseconds at a time, so the
//! one is set to a moment long ago, which nobody comes back to by accident; and where the other one could still be that
//! of the making when a program began, all that is in the directory is looked at instead.

use std::{
    ffi::{CStr, CString, OsStr, OsString},
    fs::{self, DirBuilder, File, Metadata},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, symlink},
    path::{Path, PathBuf},
};

use crate::{
    copy::copy_tree,
    file_calls::{attributes, c_path, file_time, set_changed},
    trash::Trash,
    wire::{Place, Start},
};

/// What is POD's in a working directory; what an activity installed under this name is not seen.
const OWN: &str = ".pod";
/// The first second of the year 2000.
const LONG_AGO: i64 = 946_684_800;
/// What has more than so many new entries takes a while to put right.
const FEW: usize = 32;
/// What is larger takes a while to delete.
const SMALL: u64 = 1 << 20;
const BLOCK: u64 = 512;
/// To hold on to a file without opening it.
const O_PATH: i32 = 0o10_000_000;

/// A directory that was changed in a way that is not put right piece by piece.
struct Spoiled;

/// A directory that is held on to, and how it was. What becomes of its name is seen by it as well: whatever moves a
/// directory changes it and the one that it was in. So nothing is looked up but once.
struct Held {
    dir: File,
    found: Metadata,
}

impl Held {
    fn new(path: &Path) -> io::Result<Self> {
        let dir = File::options().read(true).custom_flags(O_PATH).open(path)?;
        let found = dir.metadata()?;
        Ok(Self { dir, found })
    }

    /// Whether it was not deleted.
    fn is_there(&self) -> bool {
        self.dir.metadata().is_ok_and(|found| found.nlink() > 0)
    }

    /// Whether nothing was done to it since.
    fn is_as_it_was(&self) -> bool {
        self.dir.metadata().is_ok_and(|found| times(&found) == times(&self.found))
    }
}

fn times(found: &Metadata) -> [(i64, i64); 2] {
    [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())]
}

/// A directory of POD's making, as it was left.
struct Kept {
    path: PathBuf,
    name: CString,
    /// What lies in it, by name.
    content: Vec<OsString>,
    /// Where those of them that are links lead: to the entry of that name there.
    links: Option<PathBuf>,
    held: Held,
    attributes: isize,
    /// It was made so shortly before a program began that its times tell nothing.
    fresh: bool,
}

impl Kept {
    fn new(path: PathBuf, mut content: Vec<OsString>, links: Option<PathBuf>) -> io::Result<Self> {
        content.sort_unstable();
        let name = c_path(&path)?;
        set_changed(&name, LONG_AGO)?;
        let (held, attributes) = (Held::new(&path)?, attributes(&name));
        Ok(Self { path, name, content, links, held, attributes, fresh: true })
    }

    /// Whether the times say that nothing was done to it.
    fn is_untouched(&self) -> bool {
        !self.fresh && self.held.is_as_it_was()
    }

    /// Takes out what was added, and puts back what is missing.
    fn restore(&mut self, trash: &mut Trash) -> Result<(), Spoiled> {
        let found = fs::symlink_metadata(&self.path).map_err(|_| Spoiled)?;
        let is = |found: &Metadata| (found.dev(), found.ino(), found.mode(), found.uid(), found.gid());
        if is(&found) != is(&self.held.found) {
            return Err(Spoiled);
        }
        let mut added = 0;
        let mut missing: Vec<bool> = vec![true; self.content.len()];
        for entry in fs::read_dir(&self.path).map_err(|_| Spoiled)? {
            let name = entry.map_err(|_| Spoiled)?.file_name();
            match self.content.binary_search(&name) {
                Ok(at) if self.is_as_made(&name) => missing[at] = false,
                _ if added == FEW => return Err(Spoiled),
                _ => {
                    added += 1;
                    discard(&self.path.join(name), trash)?;
                }
            }
        }
        for (name, _) in self.content.iter().zip(missing).filter(|(_, missing)| *missing) {
            let target = self.links.as_ref().filter(|_| name != OWN).ok_or(Spoiled)?;
            symlink(target.join(name), self.path.join(name)).map_err(|_| Spoiled)?;
        }
        set_changed(&self.name, LONG_AGO).map_err(|_| Spoiled)?;
        let found = fs::symlink_metadata(&self.path).map_err(|_| Spoiled)?;
        // One that was large once stays slow, and one with other attributes is not as it was.
        if found.len() != self.held.found.len() || attributes(&self.name) != self.attributes {
            return Err(Spoiled);
        }
        (self.held.found, self.fresh) = (found, true);
        Ok(())
    }

    /// Whether an entry of the right name is what was put there. A directory among them is looked at by itself.
    fn is_as_made(&self, name: &OsStr) -> bool {
        match &self.links {
            Some(target) if name != OWN => {
                fs::read_link(self.path.join(name)).is_ok_and(|found| found == target.join(name))
            }
            _ => true,
        }
    }
}

/// A working directory that is there.
pub struct Prepared {
    pub outer: PathBuf,
    /// The working directory.
    pub dir: CString,
    /// `TMPDIR=…`
    tmpdir: CString,
    /// `POD_RESULTS=…`
    results: CString,
    place: Place,
    pub source: CString,
    installed: Held,
    kept: Vec<Kept>,
}

impl Prepared {
    /// Makes one. What has its name is put away first.
    pub fn make(outer: PathBuf, place: Place, source: &Path, trash: &mut Trash) -> io::Result<Self> {
        trash.take(&outer)?;
        let made = Self::fill(outer.clone(), place, source);
        if made.is_err() {
            let _ = trash.take(&outer);
        }
        made
    }

    fn fill(outer: PathBuf, place: Place, source: &Path) -> io::Result<Self> {
        let installed = Held::new(source)?;
        let work = outer.join("d");
        let own = work.join(OWN);
        let (tmp, results) = (own.join("tmp"), own.join("results"));
        for dir in [&outer, &work, &own, &tmp, &results] {
            DirBuilder::new().mode(0o755).create(dir)?;
        }
        let mut content = vec![OsString::from(OWN)];
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == OWN {
                continue;
            }
            match place {
                Place::Copy => copy_tree(&entry.path(), &work.join(&name))?,
                Place::Private | Place::Shared => symlink(entry.path(), work.join(&name))?,
            }
            content.push(name);
        }
        let variable = |name: &str, path: &Path| {
            let mut text = OsString::from(name);
            text.push(path);
            c_path(text.as_ref())
        };
        let (dir, tmpdir, results_variable) =
            (c_path(&work)?, variable("TMPDIR=", &tmp)?, variable("POD_RESULTS=", &results)?);
        let nothing = Vec::new;
        let kept = vec![
            Kept::new(tmp, nothing(), None)?,
            Kept::new(results, nothing(), None)?,
            Kept::new(own, vec!["results".into(), "tmp".into()], None)?,
            Kept::new(work, content, Some(source.to_owned()))?,
            Kept::new(outer.clone(), vec!["d".into()], None)?,
        ];
        let source = c_path(source)?;
        Ok(Self { outer, dir, tmpdir, results: results_variable, place, source, installed, kept })
    }

    /// Whether it was made of that installation as it is now, and for such executions.
    pub fn is_for(&self, place: Place, source: &CStr) -> bool {
        self.place == place && *self.source == *source && self.installed.is_as_it_was()
    }

    /// Whether that installation is there.
    pub fn is_installed(&self) -> bool {
        self.installed.is_there()
    }

    /// What a program finds in its environment, unless it was given another directory for what is temporary.
    pub fn variables(&self, start: &Start<'_>) -> Vec<&CStr> {
        let has_own = start.env.iter().any(|variable| variable.to_bytes().starts_with(b"TMPDIR="));
        [&self.results].into_iter().chain(Some(&self.tmpdir).filter(|_| !has_own)).map(|text| &**text).collect()
    }

    /// A program begins in it now. Whether it is still as it was left.
    pub fn begin(&mut self) -> bool {
        let now = file_time();
        for kept in &mut self.kept {
            kept.fresh &= now <= times(&kept.held.found)[1];
        }
        self.kept.iter().all(|kept| (kept.fresh && kept.held.is_there()) || kept.is_untouched())
    }

    /// Makes it as new where that is quick. Whether it can be used again.
    pub fn restore(&mut self, trash: &mut Trash) -> bool {
        // Only the top of a copy is looked at here.
        if self.place == Place::Copy {
            return false;
        }
        self.kept.iter_mut().rev().all(|kept| kept.is_untouched() || kept.restore(trash).is_ok())
    }
}

/// Takes something out of a directory.
fn discard(path: &Path, trash: &mut Trash) -> Result<(), Spoiled> {
    let found = fs::symlink_metadata(path).map_err(|_| Spoiled)?;
    let gone =
        if !found.is_dir() && found.blocks() * BLOCK <= SMALL { fs::remove_file(path) } else { trash.take(path) };
    gone.map_err(|_| Spoiled)
}

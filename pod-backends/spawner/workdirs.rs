//! The working directories of a slot: one for each of the installations that it ran last, and which of them is in use.

use std::{
    ffi::OsStr,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use crate::{
    file_calls::{bind_read_only, unmount},
    namespace::{Mounts, Sides},
    prepared::Prepared,
    trash::{Trash, make_base},
    wire::{Place, Start},
};

/// So many are kept; another installation takes the place of the one that was not used for the longest time.
const MAX_KEPT: usize = 6;
/// What tells the directories of a slot apart. A slot has `3a`, `3b` and so on: paths of sockets are short.
const LETTERS: std::ops::RangeInclusive<char> = 'a'..='z';

/// What a slot needs to know for it.
pub struct Site {
    /// Where they all are.
    pub base: PathBuf,
    /// The number of the slot.
    pub slot: u32,
    pub mounts: Mounts,
    /// Tells the sweeper.
    pub bell: OwnedFd,
}

pub struct Workdirs {
    base: PathBuf,
    slot: u32,
    mounts: Sides,
    trash: Trash,
    /// Those used last come last.
    prepared: Vec<Prepared>,
    /// The last one is in use.
    in_use: bool,
}

impl Workdirs {
    /// What a process that served this slot before has left is put away.
    pub fn new(site: Site) -> Self {
        let Site { base, slot, mounts, bell } = site;
        let trash = Trash::new(&base, Some(bell));
        let mut workdirs = Self {
            base,
            slot,
            mounts: Sides::new(mounts),
            trash,
            prepared: Vec::with_capacity(MAX_KEPT),
            in_use: false,
        };
        for letter in LETTERS {
            let _ = workdirs.trash.take(&workdirs.path(letter));
        }
        workdirs
    }

    /// Whether this process is one that such a program may be started by. A program that is to share its directory is to see
    /// what everybody sees, and not every process comes back to that.
    pub fn suit(&mut self, place: Place) -> bool {
        place != Place::Shared || self.mounts.go_to_everybodys()
    }

    /// Makes a directory ready for a program that is to have one; it is in use until it is [closed](Self::close).
    pub fn open(&mut self, start: &Start<'_>) -> io::Result<Option<&Prepared>> {
        if start.place == Place::Shared {
            return Ok(None);
        }
        self.mounts.go_to_own()?;
        let found = self.prepared.iter().position(|prepared| prepared.is_for(start.place, start.dir));
        let mut ready = false;
        if let Some(found) = found {
            let mut prepared = self.prepared.remove(found);
            ready = prepared.begin() || prepared.restore(&mut self.trash);
            if ready {
                self.prepared.push(prepared);
            } else {
                self.forget(prepared);
            }
        }
        if !ready {
            let made = self.make(start)?;
            self.prepared.push(made);
        }
        self.in_use = true;
        Ok(self.prepared.last())
    }

    /// The program has ended, and nothing of it runs any more.
    pub fn close(&mut self) {
        if !std::mem::take(&mut self.in_use) {
            return;
        }
        let restored = self.prepared.last_mut().is_some_and(|last| last.restore(&mut self.trash));
        if !restored && let Some(last) = self.prepared.pop() {
            self.forget(last);
        }
    }

    fn make(&mut self, start: &Start<'_>) -> io::Result<Prepared> {
        // Of an installation that was made again since, or is run in another way now; or that is gone.
        let useless = |prepared: &Prepared| *prepared.source == *start.dir || !prepared.is_installed();
        while let Some(at) = self.prepared.iter().position(useless) {
            let old = self.prepared.remove(at);
            self.forget(old);
        }
        if self.prepared.len() >= MAX_KEPT {
            let old = self.prepared.remove(0);
            self.forget(old);
        }
        if self.mounts.is_at_own() {
            bind_read_only(start.dir)?;
        }
        let made = self.make_of(start.place, Path::new(OsStr::from_bytes(start.dir.to_bytes())));
        if made.is_err() && self.mounts.is_at_own() {
            unmount(start.dir);
        }
        made
    }

    fn make_of(&mut self, place: Place, source: &Path) -> io::Result<Prepared> {
        match self.make_somewhere(place, source) {
            // What an earlier program left may be what fills the disk.
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                self.trash.empty();
                self.make_somewhere(place, source)
            }
            made => made,
        }
    }

    /// Under the first free name. One that cannot be had, as a program that may do everything has seen to, is passed over.
    fn make_somewhere(&mut self, place: Place, source: &Path) -> io::Result<Prepared> {
        // It may lie where somebody else clears up what looks old.
        make_base(&self.base)?;
        let mut refused = io::ErrorKind::AlreadyExists.into();
        for letter in LETTERS {
            let outer = self.path(letter);
            if self.prepared.iter().any(|prepared| prepared.outer == outer) {
                continue;
            }
            match Prepared::make(outer, place, source, &mut self.trash) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => refused = error,
                made => return made,
            }
        }
        Err(refused)
    }

    fn path(&self, letter: char) -> PathBuf {
        self.base.join(format!("{}{letter}", self.slot))
    }

    fn forget(&mut self, old: Prepared) {
        if self.mounts.is_at_own() {
            unmount(&old.source);
        }
        // What cannot be moved keeps its name.
        let _ = self.trash.take(&old.outer);
    }
}

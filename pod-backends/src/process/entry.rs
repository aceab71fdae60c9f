//! `main.sh` of an installation: what it must be, and how it is run.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::text::{self, Unready, WIDE_TEXT};

/// How `main.sh` is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// As a program: it is one, or it names its interpreter.
    Program,
    /// With `sh`: a text that does not name an interpreter.
    Shell,
}

/// Why a `main.sh` cannot be used.
#[derive(Debug)]
pub(crate) enum BadEntry {
    Missing,
    NotAFile(&'static str),
    /// It is a file, and nothing that could be run.
    Unusable(&'static str),
    Io(io::Error),
}

/// The first line of a script ends within so much of it.
const LOOKED_AT: usize = 8 * 1024;

impl Entry {
    /// The word for it in the mark of completion.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Shell => "shell",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Program, Self::Shell].into_iter().find(|entry| entry.word() == word)
    }

    /// Checks the `main.sh` of an installation and makes it ready to run: executable, and as interpreters understand it.
    pub(crate) fn prepare(dir: &Path) -> Result<Self, BadEntry> {
        let path = locate(dir)?;
        text::make_ready(&path, true).map_err(|unready| match unready {
            Unready::Wide => BadEntry::Unusable(WIDE_TEXT),
            Unready::Io(error) => BadEntry::Io(error),
        })?;
        let mut beginning = Vec::with_capacity(LOOKED_AT);
        let file = fs::File::open(&path).map_err(BadEntry::Io)?;
        file.take(LOOKED_AT as u64).read_to_end(&mut beginning).map_err(BadEntry::Io)?;
        Ok(if beginning.starts_with(b"#!") || is_binary(&beginning) { Self::Program } else { Self::Shell })
    }
}

/// The file itself. A link to another file of the installation is as good; one that leads out of it is not.
fn locate(dir: &Path) -> Result<PathBuf, BadEntry> {
    let path = dir.join("main.sh");
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BadEntry::Missing),
        other => other.map_err(BadEntry::Io)?,
    };
    if found.is_symlink() {
        let Ok(target) = path.canonicalize() else { return Err(BadEntry::NotAFile("a link to nothing")) };
        return match fs::metadata(&target) {
            Ok(found) if found.is_file() && target.starts_with(dir) => Ok(target),
            Ok(found) if found.is_file() => Err(BadEntry::NotAFile("a link to a file outside of the activity")),
            _ => Err(BadEntry::NotAFile("a link to something that is not a file")),
        };
    }
    match found.file_type() {
        kind if kind.is_file() => Ok(path),
        kind if kind.is_dir() => Err(BadEntry::NotAFile("a directory")),
        _ => Err(BadEntry::NotAFile("a pipe, socket or device")),
    }
}

/// As shells tell what the system cannot run by itself: a text may have anything behind its first line.
fn is_binary(beginning: &[u8]) -> bool {
    let first_line = beginning.split(|&byte| byte == b'\n').next().unwrap_or_default();
    beginning.starts_with(b"\x7fELF") || first_line.contains(&0)
}

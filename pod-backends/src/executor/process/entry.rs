//! `main.sh` of an installation: what it must be, and how it is run.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

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
    Io(io::Error),
}

/// So much of a file tells whether it is text.
const LOOKED_AT: usize = 8 * 1024;
/// No script that a person wrote is larger, and this much fits into memory.
const LARGEST_SCRIPT: u64 = 16 << 20;

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

    /// Checks the `main.sh` of an installation and makes it ready to run: executable, and with the line ends that
    /// interpreters understand.
    pub(crate) fn prepare(dir: &Path) -> Result<Self, BadEntry> {
        let path = locate(dir)?;
        let mode = fs::metadata(&path).map_err(BadEntry::Io)?.permissions().mode();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o755)).map_err(BadEntry::Io)?;
        let mut beginning = Vec::with_capacity(LOOKED_AT);
        let file = fs::File::open(&path).map_err(BadEntry::Io)?;
        file.take(LOOKED_AT as u64).read_to_end(&mut beginning).map_err(BadEntry::Io)?;
        if is_binary(&beginning) {
            return Ok(Self::Program);
        }
        give_unix_line_ends(&path).map_err(BadEntry::Io)?;
        Ok(if beginning.starts_with(b"#!") { Self::Program } else { Self::Shell })
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

fn is_binary(beginning: &[u8]) -> bool {
    beginning.starts_with(b"\x7fELF") || beginning.contains(&0)
}

/// Rewrites a text that has other line ends than LF. One that is too large for a script stays as it is.
pub(super) fn give_unix_line_ends(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.len() > LARGEST_SCRIPT {
        return Ok(());
    }
    match unix_line_ends(&fs::read(path)?) {
        Some(clean) => fs::write(path, clean),
        None => Ok(()),
    }
}

/// A text with LF line ends, if it has others.
pub(crate) fn unix_line_ends(text: &[u8]) -> Option<Vec<u8>> {
    if !text.windows(2).any(|pair| pair == b"\r\n") {
        return None;
    }
    let mut clean = Vec::with_capacity(text.len());
    for (place, &byte) in text.iter().enumerate() {
        if byte != b'\r' || text.get(place + 1) != Some(&b'\n') {
            clean.push(byte);
        }
    }
    Some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_carriage_returns_before_line_feeds_go() {
        assert_eq!(unix_line_ends(b"a\r\nb\rc\r\r\n\r"), Some(b"a\nb\rc\r\n\r".to_vec()));
        assert_eq!(unix_line_ends(b"a\nb\r"), None);
    }
}

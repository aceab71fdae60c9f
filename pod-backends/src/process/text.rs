//! Scripts as people's editors save them: with a mark in front, or with the line ends of Windows. Interpreters
//! understand neither, so both go, but only from what is text from its first byte to its last. Whatever holds anything
//! else, a payload behind a script among them, stays as it is, byte for byte.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use uuid::Uuid;

/// Some editors put it in front of a text; a kernel does not find `#!` behind it.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// How a text of UTF-16 begins, or of UTF-32: with its mark, or with `#!`.
const WIDE: [&[u8]; 5] = [b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff", b"#\0!\0", b"\0#\0!"];
/// No script that a person wrote is larger, and this much fits into memory.
const LARGEST: u64 = 16 << 20;
/// What a file of an installation that is run must allow.
const RUNS: u32 = 0o755;

/// Where a script is refused: what it is.
pub(crate) const WIDE_TEXT: &str = "text in UTF-16 or UTF-32, which no interpreter reads; save it as UTF-8";

/// How a script has to be before it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    AsItIs,
    /// It is a text, and this is what an interpreter understands of it.
    Clean(Vec<u8>),
    /// No interpreter reads it: [`WIDE_TEXT`].
    Wide,
}

impl Script {
    /// Looks at a whole script. A text whose first line ends as on Windows gets the line ends that interpreters
    /// understand if all of them are so; a mixed one says nothing about which are meant.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        if is_wide(bytes) {
            return Self::Wide;
        }
        let text = bytes.strip_prefix(MARK).unwrap_or(bytes);
        let marked = text.len() < bytes.len();
        let first_line = text.iter().position(|&byte| byte == b'\n').map(|end| &text[..end]);
        let windows = first_line.is_some_and(|line| line.ends_with(b"\r"));
        if !(marked || windows) || !is_text(text) {
            return Self::AsItIs;
        }
        match windows.then(|| unix_line_ends(text)).flatten() {
            Some(clean) => Self::Clean(clean),
            None if marked => Self::Clean(text.to_vec()),
            None => Self::AsItIs,
        }
    }
}

/// Whether this is nothing but text: of UTF-8, or of an encoding of before, in which each byte is a character. Such a text
/// has none of the control characters that a payload has, and ends with a line end.
fn is_text(bytes: &[u8]) -> bool {
    let is_odd = |byte: &u8| matches!(byte, 0..=6 | 14..=26 | 28..=31 | 127);
    let is_of_before = || bytes.ends_with(b"\n") && !bytes.iter().any(is_odd);
    !bytes.contains(&0) && (std::str::from_utf8(bytes).is_ok() || is_of_before())
}

pub(crate) fn is_wide(beginning: &[u8]) -> bool {
    WIDE.iter().any(|wide| beginning.starts_with(wide))
}

/// A text whose lines all end with CR LF, with LF alone; nothing where one of them ends otherwise.
fn unix_line_ends(text: &[u8]) -> Option<Vec<u8>> {
    let mut clean = Vec::with_capacity(text.len());
    let mut lines = text.split(|&byte| byte == b'\n');
    // What follows the last line end.
    let rest = lines.next_back()?;
    for line in lines {
        clean.extend_from_slice(line.strip_suffix(b"\r")?);
        clean.push(b'\n');
    }
    clean.extend_from_slice(rest);
    Some(clean)
}

/// Why a script cannot be made ready.
#[derive(Debug)]
pub(crate) enum Unready {
    /// It is [`WIDE_TEXT`].
    Wide,
    Io(io::Error),
}

impl From<io::Error> for Unready {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Makes a script of an installation ready for its interpreter, and `executable` if it is to be. What has other names
/// too, perhaps outside of the installation, is not touched: a copy takes its place under this one.
pub(crate) fn make_ready(path: &Path, executable: bool) -> Result<(), Unready> {
    let found = fs::metadata(path)?;
    let mode = found.mode() & 0o7777;
    let wanted = if executable { mode | RUNS } else { mode };
    let script = if found.len() > LARGEST { Script::AsItIs } else { Script::of(&read(path, mode)?) };
    match script {
        Script::Wide => return Err(Unready::Wide),
        Script::Clean(text) => replace(path, wanted, |file| file.write_all(&text))?,
        Script::AsItIs if mode == wanted => {}
        Script::AsItIs if found.nlink() > 1 => {
            let mut source = File::open(path)?;
            replace(path, wanted, |file| io::copy(&mut source, file).map(drop))?;
        }
        Script::AsItIs => fs::set_permissions(path, Permissions::from_mode(wanted))?,
    }
    Ok(())
}

/// Reads a file, also one that its owner may not read, as long as it has no other name.
fn read(path: &Path, mode: u32) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && fs::metadata(path)?.nlink() == 1 => {
            fs::set_permissions(path, Permissions::from_mode(mode | 0o400))?;
            fs::read(path)
        }
        other => other,
    }
}

/// Puts a new file in the place of one, of which nobody ever sees a part. A directory that its owner may not change is
/// opened for that moment.
fn replace(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let dir_mode = fs::metadata(dir)?.mode() & 0o7777;
    let closed = dir_mode & 0o300 != 0o300;
    if closed {
        fs::set_permissions(dir, Permissions::from_mode(dir_mode | 0o300))?;
    }
    let new = dir.join(format!(".pod-{}", Uuid::new_v4().simple()));
    let written = || {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        write(&mut file)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        fs::rename(&new, path)
    };
    let written = written();
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    if closed {
        fs::set_permissions(dir, Permissions::from_mode(dir_mode))?;
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &[u8]) -> Script {
        Script::Clean(text.to_vec())
    }

    #[test]
    fn windows_line_ends_become_those_of_unix_where_all_are_so() {
        assert_eq!(Script::of(b"#!/bin/sh\r\necho hi\r\n"), clean(b"#!/bin/sh\necho hi\n"));
        assert_eq!(Script::of(b"a\r\nb\rc\r\r\n\r"), clean(b"a\nb\rc\r\n\r"));
        assert_eq!(Script::of("ä\r\n".as_bytes()), clean("ä\n".as_bytes()));
        assert_eq!(Script::of(b"# gr\xfc\xdfe\r\n"), clean(b"# gr\xfc\xdfe\n"), "of an encoding of before");
        assert_eq!(Script::of(b"a\r\n\xff\x01\r\n"), Script::AsItIs);
        for other in [&b"a\nb\r\n"[..], b"a\r\nb\n", b"a\r\n\0", b"a\r\n\xff", b"a\rb\r", b"a\r", b"", b"\n"] {
            assert_eq!(Script::of(other), Script::AsItIs, "{other:?}");
        }
        let payload = [&b"#!/bin/sh\r\nexit\r\n"[..], &[b'x'; 100_000], b"\r\n\0\r\n"].concat();
        assert_eq!(Script::of(&payload), Script::AsItIs, "text to its end, not only at its beginning");
    }

    #[test]
    fn the_mark_of_an_editor_goes_from_a_text() {
        assert_eq!(Script::of(b"\xef\xbb\xbf#!/bin/sh\necho\n"), clean(b"#!/bin/sh\necho\n"));
        assert_eq!(Script::of(b"\xef\xbb\xbf#!/bin/sh\r\necho\r\n"), clean(b"#!/bin/sh\necho\n"));
        assert_eq!(Script::of(b"\xef\xbb\xbfa\r\nb\n"), clean(b"a\r\nb\n"), "which line ends are meant is not known");
        assert_eq!(Script::of(b"\xef\xbb\xbf#!/bin/sh\n\0"), Script::AsItIs);
        assert_eq!(Script::of(b"#!/bin/sh\n\xef\xbb\xbf"), Script::AsItIs, "elsewhere it means itself");
        for wide in
            [&b"\xff\xfe#\0"[..], b"\xfe\xff\0#", b"\xff\xfe\0\0#\0\0\0", b"\0\0\xfe\xff", b"#\0!\0/\0", b"\0#\0!"]
        {
            assert_eq!(Script::of(wide), Script::Wide, "{wide:?}");
        }
    }
}

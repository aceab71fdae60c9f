//! The archive of an activity's directory, as everybody here reads it: through one [`Sieve`].
//!
//! A tar.gz comes from whoever may register an activity, and its headers claim whatever they like. So it is read by hand,
//! block by block, and everything is checked before it costs anything: an entry is told only when it may be unpacked in
//! an empty directory without reaching out of it. What hashes, shows and unpacks a directory asks the same sieve, so that
//! nobody unpacks what another one has not seen.

mod gzip;
mod header;
mod paths;
mod pax;
mod sieve;
#[cfg(test)]
mod tests;

pub use paths::stays_within;
pub use sieve::{Entry, Kind, Sieve};

/// What an archive may become, unpacked, in bytes: declared and found.
pub const MOST_BYTES: u64 = 4 << 30;
/// How many files, directories and links it may hold, those directories included that it does not name.
pub const MOST_ENTRIES: usize = 500_000;
/// How many bytes all paths and targets of links may have together.
pub const MOST_NAMES: usize = 64 << 20;
/// The longest path and the longest target of a link in bytes. The system allows 4095, of which the directory that it is
/// unpacked in needs some.
pub const LONGEST_PATH: usize = 3072;
/// The longest name of one file in bytes, as file systems have it.
pub const LONGEST_NAME: usize = 255;
/// The longest header that says more about the entry behind it, in bytes.
pub const MOST_EXTENSION: usize = 64 << 10;

/// Why an archive is not taken: a sentence that begins with "the archive" and names the entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read to its end.
    #[error("the archive is not a whole tar.gz of a directory ({0}); make one with `tar cz -C DIR .`")]
    Broken(String),
    /// One entry may not be there.
    #[error("the archive's entry {name} {why}")]
    Entry {
        /// Its path, made safe for printing.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// All of it together is too much.
    #[error("the archive holds too much by its entry {name}: at most {MOST_ENTRIES} files, {} GiB of content and \
             {} MiB of names are allowed", MOST_BYTES >> 30, MOST_NAMES >> 20)]
    TooMuch {
        /// The path that was one too many.
        name: String,
    },
}

impl Refused {
    pub(crate) fn broken(why: &str) -> Self {
        Self::Broken(why.to_owned())
    }

    /// An entry that may not be there.
    #[must_use]
    pub fn entry(path: &[u8], why: impl Into<String>) -> Self {
        Self::Entry { name: shown(path), why: why.into() }
    }

    /// The same as a sentence of its own.
    #[must_use]
    pub fn sentence(&self) -> String {
        let text = self.to_string();
        format!("T{}", text.strip_prefix('t').unwrap_or(&text))
    }
}

/// A name from an archive as it may be printed: with its control characters escaped, and not for pages.
pub(crate) fn shown(name: &[u8]) -> String {
    const LONGEST: usize = 160;
    let end = name.len().min(LONGEST);
    let text: String = String::from_utf8_lossy(&name[..end]).chars().flat_map(char::escape_debug).collect();
    match name.len() {
        0 => "without a name".to_owned(),
        length if length > end => format!("{text}… ({length} bytes long)"),
        _ => text,
    }
}

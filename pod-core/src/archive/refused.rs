//! Why an archive is not taken.

use super::limits::{MOST_BYTES, MOST_ENTRIES, MOST_NAMES};

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

//! What an archive may hold.

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

//! What tells that a file is the one that was installed. Compiled into both the spawner, which looks before it starts a
//! program, and the executor, which remembers it from the installation.

use std::{
    fmt, fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    str::FromStr,
};

/// A file as one look at it shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its number on its disk.
    pub inode: u64,
    /// Its length.
    pub size: u64,
    /// When it was written last.
    pub seconds: i64,
    /// The rest of that.
    pub nanos: i64,
    /// Who may run it.
    pub runs: u32,
}

impl Witness {
    /// Looks at a file; through a link, at what it leads to.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            inode: found.ino(),
            size: found.len(),
            seconds: found.mtime(),
            nanos: found.mtime_nsec(),
            runs: found.permissions().mode() & 0o111,
        })
    }
}

/// Five numbers.
impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inode, size, seconds, nanos, runs } = self;
        write!(f, "{inode} {size} {seconds} {nanos} {runs}")
    }
}

impl FromStr for Witness {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers: Vec<&str> = text.split_whitespace().collect();
        let [inode, size, seconds, nanos, runs] = numbers[..] else { return Err(()) };
        Ok(Self {
            inode: inode.parse().map_err(drop)?,
            size: size.parse().map_err(drop)?,
            seconds: seconds.parse().map_err(drop)?,
            nanos: nanos.parse().map_err(drop)?,
            runs: runs.parse().map_err(drop)?,
        })
    }
}

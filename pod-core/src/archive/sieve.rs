//! Reads an archive entry by entry, and lets through what may be unpacked.

use std::{collections::HashMap, ffi::OsStr, fmt, os::unix::ffi::OsStrExt, path::Path};

use sha2::{Digest, Sha256};

use super::{
    gzip::Unpacked,
    header::{BLOCK, Header, text},
    limits::{LONGEST_PATH, MOST_BYTES, MOST_ENTRIES, MOST_EXTENSION, MOST_NAMES},
    paths::{leads_out, normal, parent, stays_within},
    pax::{self, Pax},
    refused::{Refused, shown},
};

/// An entry has at most a global header, one of its own, a long name and a long target before it.
const MOST_BEFORE: usize = 8;
/// So much is read at once.
const PIECE: usize = 64 << 10;

/// Something to unpack. Everything before it, unpacked into an empty directory, has made the directory that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where: names with `/` between them, below the top.
    pub path: Vec<u8>,
    /// What.
    pub kind: Kind,
    /// Its permissions, of which those of the owner may not be enough to read it.
    pub mode: u32,
    /// When it was changed, in seconds since 1970.
    pub mtime: u64,
    /// It takes the place of an earlier entry of the same path.
    pub replaces: bool,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory, also one that the archive does not name itself but has files in.
    Directory,
    /// A file of so many bytes: [`Sieve::read`] gives them.
    File {
        /// How many.
        size: u64,
    },
    /// A link to somewhere within the directory, where nothing need be.
    Link {
        /// As it stands there.
        target: Vec<u8>,
    },
    /// The same file as an earlier one.
    SameAs {
        /// The path of that.
        target: Vec<u8>,
    },
}

/// What was told of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Directory,
    File,
    Link,
}

/// What an archive may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) bytes: u64,
    pub(super) entries: usize,
    pub(super) names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: MOST_BYTES, entries: MOST_ENTRIES, names: MOST_NAMES }
    }
}

/// A path, in memory that does not grow with its length.
type Key = [u8; 16];

fn key(path: &[u8]) -> Key {
    let sum = Sha256::digest(path);
    *sum.first_chunk().unwrap_or(&[0; 16])
}

/// Reads a tar.gz.
pub struct Sieve<'a> {
    unpacked: Unpacked<'a>,
    seen: HashMap<Key, Seen>,
    /// What is told next, the first of it last.
    ready: Vec<Entry>,
    /// The entry that is being read.
    name: Vec<u8>,
    /// What is left of its content, and what fills up its last block.
    content: u64,
    padding: u64,
    entries: usize,
    declared: u64,
    names: usize,
    limits: Limits,
    ended: bool,
}

impl fmt::Debug for Sieve<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sieve")
            .field("unpacked", &self.unpacked)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl<'a> Sieve<'a> {
    /// Will read that archive.
    #[must_use]
    pub fn new(archive: &'a [u8]) -> Self {
        Self::at_most(archive, MOST_BYTES)
    }

    /// Will read that archive as if fewer bytes were allowed than [`MOST_BYTES`].
    #[must_use]
    pub fn at_most(archive: &'a [u8], most_bytes: u64) -> Self {
        Self::within(archive, Limits { bytes: most_bytes, ..Limits::default() })
    }

    pub(super) fn within(archive: &'a [u8], limits: Limits) -> Self {
        Self {
            unpacked: Unpacked::new(archive, limits.bytes),
            seen: HashMap::new(),
            ready: Vec::new(),
            name: Vec::new(),
            content: 0,
            padding: 0,
            entries: 0,
            declared: 0,
            names: 0,
            limits,
            ended: false,
        }
    }

    /// The next entry; nothing at the end, which was then read, too. What was not read of the one before is skipped.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Refused> {
        loop {
            if let Some(entry) = self.ready.pop() {
                return Ok(Some(entry));
            }
            if self.ended {
                return Ok(None);
            }
            self.skip()?;
            self.read_entry()?;
        }
    }

    /// Reads from the content of the file that was told last; `0` at its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Refused> {
        if !self.ready.is_empty() {
            return Ok(0);
        }
        let wanted = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        self.exact(&mut buffer[..wanted])?;
        self.content -= wanted as u64;
        Ok(wanted)
    }

    /// Reads all of the content of the file that was told last, which is as long as was told.
    pub fn read_all(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), Refused> {
        // Most files are small.
        let mut buffer = vec![0; usize::try_from(self.content).unwrap_or(usize::MAX).min(PIECE)];
        loop {
            match self.read(&mut buffer)? {
                0 => return Ok(()),
                read => take(&buffer[..read]),
            }
        }
    }

    fn skip(&mut self) -> Result<(), Refused> {
        self.content += std::mem::take(&mut self.padding);
        self.read_all(|_| {})
    }

    fn exact(&mut self, buffer: &mut [u8]) -> Result<(), Refused> {
        match self.unpacked.fill(buffer, &self.name)? {
            filled if filled == buffer.len() => Ok(()),
            _ => Err(Refused::broken("it ends too early")),
        }
    }

    fn read_entry(&mut self) -> Result<(), Refused> {
        let mut said = Pax::default();
        for _ in 0..MOST_BEFORE {
            let mut header = Header([0; BLOCK]);
            match self.unpacked.fill(&mut header.0, &self.name)? {
                // Some programs leave out the blocks that mark the end.
                0 if said == Pax::default() => return self.end(),
                BLOCK if header.is_end() && said == Pax::default() => return self.end(),
                BLOCK if header.is_end() => return Err(Refused::broken("it ends behind a header of an entry")),
                BLOCK => {}
                _ => return Err(Refused::broken("it ends too early")),
            }
            if !header.is_sound() {
                return Err(Refused::broken("the sum of a header is wrong"));
            }
            self.name = said.path.clone().unwrap_or_else(|| header.path());
            let size = header.size().ok_or_else(|| Refused::entry(&self.name, "has no size that can be read"))?;
            match header.kind() {
                b'L' => said.path = Some(text(&self.extension(size)?).to_owned()),
                b'K' => said.link = Some(text(&self.extension(size)?).to_owned()),
                kind @ (b'x' | b'g') => {
                    let bytes = self.extension(size)?;
                    let malformed = || Refused::entry(&self.name, "is described by a malformed header");
                    let found = pax::read(&bytes).ok_or_else(malformed)?;
                    if kind == b'x' {
                        said = found.over(said);
                    } else if found != Pax::default() {
                        let why = "is a header for all entries at a time, which may only hold comments";
                        return Err(Refused::entry(&self.name, why));
                    }
                }
                kind => return self.entry(&header, kind, size, said),
            }
        }
        Err(Refused::entry(&self.name, "has too many headers before it"))
    }

    /// The content of a header that says more about the entry behind it.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Refused> {
        let length = usize::try_from(size).ok().filter(|length| *length <= MOST_EXTENSION).ok_or_else(|| {
            let why = format!("has a header of {size} bytes before it; at most {MOST_EXTENSION} are allowed");
            Refused::entry(&self.name, why)
        })?;
        let mut bytes = vec![0; length.next_multiple_of(BLOCK)];
        self.exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    fn entry(&mut self, header: &Header, kind: u8, size: u64, said: Pax) -> Result<(), Refused> {
        let name = self.name.clone();
        let refuse = |why: &str| Err(Refused::entry(&name, why));
        if kind == b'S' || said.sparse {
            return refuse(
                "is a file with holes; pack it without (with GNU tar leave out --sparse, with bsdtar use \
                           --no-read-sparse)",
            );
        }
        if !matches!(kind, 0 | b'0' | b'7' | b'1' | b'2' | b'5') {
            return refuse("is neither a file, a directory nor a link");
        }
        if said.size.is_some_and(|other| other != size) {
            return refuse("has two sizes");
        }
        let path = normal(&self.name)?;
        let Some(mode) = header.mode() else { return refuse("has no permissions that can be read") };
        let link = said.link.unwrap_or_else(|| header.link());
        self.names += link.len();
        let kind = match kind {
            b'1' => Kind::SameAs { target: self.same_as(&path, &link)? },
            b'2' => Kind::Link { target: self.link(&path, link)? },
            b'5' => Kind::Directory,
            // Before there was a kind for them, directories were known by their name.
            0 | b'0' if self.name.ends_with(b"/") => Kind::Directory,
            _ => Kind::File { size },
        };
        if size > 0 && !matches!(kind, Kind::File { .. }) {
            return refuse("has content, which only a file can have");
        }
        self.declared = self.declared.saturating_add(size);
        self.count(path.len())?;
        if path.is_empty() {
            // The top is there already.
            return if kind == Kind::Directory { Ok(()) } else { refuse("is the directory itself, and no directory") };
        }
        (self.content, self.padding) = (size, size.next_multiple_of(BLOCK as u64) - size);
        let (mode, mtime) = (mode & 0o777, header.mtime());
        self.put(Entry { path, kind, mode, mtime, replaces: false })
    }

    /// The earlier file that a hard link is.
    fn same_as(&self, path: &[u8], link: &[u8]) -> Result<Vec<u8>, Refused> {
        let target = match normal(link) {
            Ok(target) => target,
            Err(_) => return Err(Refused::entry(&self.name, leads_out())),
        };
        if target != path && self.seen.get(&key(&target)) == Some(&Seen::File) {
            return Ok(target);
        }
        let why = format!("is the same as {}, which is no file that comes before it", shown(link));
        Err(Refused::entry(&self.name, why))
    }

    /// Where a symbolic link leads to.
    fn link(&self, path: &[u8], target: Vec<u8>) -> Result<Vec<u8>, Refused> {
        let refuse = |why: String| Err(Refused::entry(&self.name, why));
        if target.is_empty() || target.contains(&0) || target.len() > LONGEST_PATH {
            return refuse(format!("is a link to nothing, or to more than {LONGEST_PATH} bytes"));
        }
        let as_path = |bytes| Path::new(OsStr::from_bytes(bytes)).to_owned();
        if stays_within(&as_path(path), &as_path(&target)) { Ok(target) } else { refuse(leads_out()) }
    }

    /// Tells an entry, and before it the directories that it is in and that were not told yet.
    fn put(&mut self, mut entry: Entry) -> Result<(), Refused> {
        let is = match entry.kind {
            Kind::Directory => Seen::Directory,
            Kind::File { .. } | Kind::SameAs { .. } => Seen::File,
            Kind::Link { .. } => Seen::Link,
        };
        let was = self.seen.get(&key(&entry.path)).copied();
        if was.is_some_and(|was| (was == Seen::Directory) != (is == Seen::Directory)) {
            return Err(Refused::entry(&self.name, "is there twice, once as a directory and once not"));
        }
        entry.replaces = was.is_some();
        let mut missing = Vec::new();
        let mut inside = &entry.path[..];
        while let Some(above) = parent(inside) {
            match self.seen.get(&key(above)) {
                // What a directory is in are directories, too.
                Some(Seen::Directory) => break,
                Some(Seen::File) => {
                    let why = format!("lies in {}, which is a file", shown(above));
                    return Err(Refused::entry(&self.name, why));
                }
                Some(Seen::Link) => {
                    let why = format!("{}: it goes through the link {}", leads_out(), shown(above));
                    return Err(Refused::entry(&self.name, why));
                }
                None => missing.push(above.to_owned()),
            }
            inside = above;
        }
        for above in &missing {
            self.count(above.len())?;
            self.seen.insert(key(above), Seen::Directory);
        }
        self.seen.insert(key(&entry.path), is);
        let mtime = entry.mtime;
        self.ready.push(entry);
        let implied = |path| Entry { path, kind: Kind::Directory, mode: 0o755, mtime, replaces: false };
        self.ready.extend(missing.into_iter().map(implied));
        Ok(())
    }

    fn count(&mut self, name: usize) -> Result<(), Refused> {
        self.entries += 1;
        self.names += name;
        let Limits { bytes, entries, names } = self.limits;
        if self.entries > entries || self.names > names || self.declared > bytes {
            return Err(Refused::TooMuch { name: shown(&self.name) });
        }
        Ok(())
    }

    /// Behind the last entry are zeros, and the sum that tells damage.
    fn end(&mut self) -> Result<(), Refused> {
        if self.entries == 0 {
            return Err(Refused::broken("it is empty"));
        }
        let (mut buffer, zeros) = (vec![0; PIECE], vec![0; PIECE]);
        loop {
            match self.unpacked.fill(&mut buffer, &self.name)? {
                0 => break,
                read if buffer[..read] == zeros[..read] => {}
                _ => return Err(Refused::broken("something follows behind its end")),
            }
        }
        self.ended = true;
        Ok(())
    }
}

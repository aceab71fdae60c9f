//! The files of long output: one per stream for its head, and one for its tail; one for a long log of their order.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::{FileExt, MetadataExt},
    path::{self, Path, PathBuf},
    sync::Arc,
};

use pod_core::{
    domain::{AttemptKey, AttemptNo, ExecutionId, OutputFile},
    store::OutputSlice,
};

use super::{channel::OutputChannel, layout::Layout};
use crate::private;

/// So many executions share a directory.
const PER_DIRECTORY: u64 = 1000;
/// A tail file begins with the offset of its first byte.
const TAIL_HEADER: u64 = 8;

/// Where the files are.
#[derive(Clone, Debug)]
pub(in crate::sqlite) struct OutputFiles {
    root: PathBuf,
}

impl OutputFiles {
    pub(in crate::sqlite) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn track(&self, key: AttemptKey, track: OutputChannel) -> StreamFile {
        let directory = self.root.join((key.execution.0 / PER_DIRECTORY).to_string());
        StreamFile { head: directory.join(format!("{key}.{}", track.suffix())), held: None }
    }

    /// Deletes what there is of an attempt.
    pub(in crate::sqlite) fn remove(&self, key: AttemptKey) -> io::Result<()> {
        for track in OutputChannel::ALL {
            let file = self.track(key, track);
            remove_file(&file.head)?;
            remove_file(&file.tail())?;
        }
        if let Some(directory) = self.track(key, OutputChannel::Order).head.parent() {
            fs::remove_dir(directory).ok(); // where other executions have output, it stays
        }
        Ok(())
    }

    /// The attempts that have files.
    pub(in crate::sqlite) fn attempts(&self) -> io::Result<Vec<AttemptKey>> {
        let mut found = Vec::new();
        for directory in read_dir(&self.root)? {
            let files = if directory.is_dir() { read_dir(&directory)? } else { Vec::new() };
            found.extend(files.iter().filter_map(|file| parse(file.file_name()?.to_str()?)));
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

fn parse(name: &str) -> Option<AttemptKey> {
    let mut parts = name.split('.');
    let execution = ExecutionId(parts.next()?.parse().ok()?);
    Some(AttemptKey { execution, attempt: AttemptNo(parts.next()?.parse().ok()?) })
}

fn read_dir(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The files of one stream, or of the log.
#[derive(Clone, Debug)]
pub(super) struct StreamFile {
    head: PathBuf,
    /// The head, kept open from when others may write it.
    held: Option<Arc<File>>,
}

impl StreamFile {
    fn tail(&self) -> PathBuf {
        let mut path = self.head.clone().into_os_string();
        path.push(".tail");
        path.into()
    }

    /// What there is on disk.
    pub(super) fn layout(&self) -> io::Result<Option<Layout>> {
        let head = match fs::metadata(&self.head) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let tail = match File::open(self.tail()) {
            Ok(file) => {
                let mut header = [0; TAIL_HEADER as usize];
                file.read_exact_at(&mut header, 0)?;
                let start = u64::from_le_bytes(header);
                Some(start..start + file.metadata()?.len().saturating_sub(TAIL_HEADER))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Some(Layout { head, tail }))
    }

    /// How long the head is on disk.
    pub(super) fn head_len(&self) -> io::Result<u64> {
        match fs::metadata(&self.head) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            found => Ok(found?.len()),
        }
    }

    /// Which file the head is, for others; nothing where its path cannot be told.
    pub(super) fn identity(&self) -> io::Result<Option<OutputFile>> {
        let path = path::absolute(&self.head)?;
        let found = fs::metadata(&path)?;
        Ok(path.to_str().map(|path| OutputFile { path: path.into(), device: found.dev(), inode: found.ino() }))
    }

    /// Writes a piece of the head, over what an earlier sending of it left.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let open = || private::file().create(true).truncate(false).write(true).open(&self.head);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.head.parent().map_or(Ok(()), private::make_dir)?;
                open()?
            }
            other => other?,
        };
        file.write_all_at(bytes, offset)
    }

    /// Writes the tail, in place of an earlier one.
    pub(super) fn write_tail(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut draft = self.tail().into_os_string();
        draft.push(".new");
        let file = private::file().create(true).truncate(true).write(true).open(&draft)?;
        let written = file
            .write_all_at(&offset.to_le_bytes(), 0)
            .and_then(|()| file.write_all_at(bytes, TAIL_HEADER))
            .and_then(|()| fs::rename(&draft, self.tail()));
        if written.is_err() {
            fs::remove_file(&draft).ok();
        }
        written
    }

    /// Makes both durable, with their names.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.sync_head()?;
        match File::open(self.tail()) {
            Ok(tail) => tail.sync_data()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        for directory in self.head.ancestors().skip(1).take(3) {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }

    /// Makes what was written to the head durable, its name being so already.
    pub(super) fn sync_head(&self) -> io::Result<()> {
        match &self.held {
            Some(file) => file.sync_data(),
            None => File::open(&self.head)?.sync_data(),
        }
    }

    /// Keeps the head open, since others are about to write it: an error of the disk of which one of them hears is told to
    /// nobody who opens the file after that.
    pub(super) fn hold(&mut self) -> io::Result<()> {
        if self.held.is_none() {
            self.held = Some(Arc::new(File::open(&self.head)?));
        }
        Ok(())
    }

    pub(super) fn read(&self, layout: &Layout, offset: u64, limit: usize) -> io::Result<OutputSlice> {
        let pieces = layout.pieces(offset, limit);
        let mut bytes = Vec::new();
        if !pieces.head.is_empty() {
            read_range(&self.head, pieces.head, &mut bytes)?;
        }
        if let Some(tail) = layout.tail.as_ref().filter(|_| !pieces.tail.is_empty()) {
            let at = |offset: u64| offset - tail.start + TAIL_HEADER;
            read_range(&self.tail(), at(pieces.tail.start)..at(pieces.tail.end), &mut bytes)?;
        }
        Ok(OutputSlice { offset: pieces.offset, bytes: bytes.into() })
    }
}

fn read_range(path: &Path, range: Range<u64>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let known = bytes.len();
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    bytes.resize(known + len, 0);
    File::open(path)?.read_exact_at(&mut bytes[known..], range.start)
}

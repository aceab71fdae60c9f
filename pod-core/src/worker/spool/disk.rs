//! Where a spool puts what does not fit into memory.

use std::{
    fmt::Debug,
    fs::{self, File, OpenOptions},
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// Makes files for spools.
pub trait SpoolDisk: Debug + Send + Sync + 'static {
    /// A new, empty file that is gone when it is dropped, also when the process dies.
    fn create(&self) -> io::Result<Box<dyn SpoolFile>>;
}

/// A file of a spool. Called from the worker's task: each call moves at most a few hundred kilobytes through the
/// page cache, which takes microseconds.
pub trait SpoolFile: Debug + Send + Sync + 'static {
    /// Appends as much as fits, and says how much that was.
    fn append(&mut self, bytes: &[u8]) -> usize;

    /// Fills `buffer` from `offset` on.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// Spool files in a directory, without names: the system deletes them with the process.
#[derive(Debug)]
pub struct SpoolDirectory {
    directory: PathBuf,
    count: AtomicU64,
}

impl SpoolDirectory {
    /// Files are made in that directory, which is made when the first one is.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), count: AtomicU64::new(0) }
    }
}

impl SpoolDisk for SpoolDirectory {
    fn create(&self) -> io::Result<Box<dyn SpoolFile>> {
        fs::create_dir_all(&self.directory)?;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.join(format!("spool-{}-{number}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        fs::remove_file(&path)?;
        Ok(Box::new(Unnamed { file, length: 0 }))
    }
}

#[derive(Debug)]
struct Unnamed {
    file: File,
    length: u64,
}

impl SpoolFile for Unnamed {
    fn append(&mut self, bytes: &[u8]) -> usize {
        use std::os::unix::fs::FileExt;
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write_at(&bytes[written..], self.length) {
                Ok(0) => break,
                Ok(count) => {
                    written += count;
                    self.length += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(%error, "the disk takes no more output; only its tail is kept from here on");
                    break;
                }
            }
        }
        written
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }
}

/// Spool files in memory, with a limit on all of them together: for tests and the simulator.
#[derive(Clone, Debug)]
pub struct SpoolMemory {
    free: Arc<AtomicUsize>,
}

impl SpoolMemory {
    /// A disk of so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(limit)) }
    }
}

impl SpoolDisk for SpoolMemory {
    fn create(&self) -> io::Result<Box<dyn SpoolFile>> {
        Ok(Box::new(InMemory { bytes: Vec::new(), free: Arc::clone(&self.free) }))
    }
}

#[derive(Debug)]
struct InMemory {
    bytes: Vec<u8>,
    free: Arc<AtomicUsize>,
}

impl SpoolFile for InMemory {
    fn append(&mut self, bytes: &[u8]) -> usize {
        let mut fits = 0;
        let _ = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            fits = free.min(bytes.len());
            Some(free - fits)
        });
        self.bytes.extend_from_slice(&bytes[..fits]);
        fits
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let source = self.bytes.get(from..from + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(source);
        Ok(())
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        self.free.fetch_add(self.bytes.len(), Ordering::Relaxed);
    }
}

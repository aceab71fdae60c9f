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

use crate::{
    domain::OutputFile,
    store::{MemoryFile, MemoryStore},
};

/// Makes files for spools.
pub trait SpoolDisk: Debug + Send + Sync + 'static {
    /// A new, empty file that is gone when it is dropped, also when the process dies.
    fn create(&self) -> io::Result<Box<dyn SpoolFile>>;

    /// Whether this may be the machine of the manager, so that [`Self::open_output`] is worth asking for.
    fn is_beside_store(&self) -> bool {
        false
    }

    /// The file that the manager's store keeps a stream in, to be appended to from `offset` on; an error where that very
    /// file cannot be reached from here. It stays when it is dropped.
    fn open_output(&self, file: &OutputFile, offset: u64) -> io::Result<Box<dyn SpoolFile>> {
        let _ = (file, offset);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A file of a spool. Called from the worker's task: each call moves at most a few hundred kilobytes through the
/// page cache, which takes microseconds.
pub trait SpoolFile: Debug + Send + Sync + 'static {
    /// Appends as much as fits, and says how much that was.
    fn append(&mut self, bytes: &[u8]) -> usize;

    /// Notes that so many bytes were appended by someone else.
    fn skip(&mut self, count: u64) {
        let _ = count;
    }

    /// Fills `buffer` from `offset` on.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// Spool files in a directory, without names: the system deletes them with the process.
#[derive(Debug)]
pub struct SpoolDirectory {
    directory: PathBuf,
    count: AtomicU64,
    beside_store: bool,
}

impl SpoolDirectory {
    /// Files are made in that directory, which is made when the first one is.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), count: AtomicU64::new(0), beside_store: false }
    }

    /// The same for a worker on the machine of its manager: long output is written into the files of the manager's store
    /// at once, where they can be reached, and not sent.
    #[must_use]
    pub fn beside_store(self) -> Self {
        Self { beside_store: true, ..self }
    }
}

impl SpoolDisk for SpoolDirectory {
    fn create(&self) -> io::Result<Box<dyn SpoolFile>> {
        fs::create_dir_all(&self.directory)?;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.join(format!("spool-{}-{number}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        fs::remove_file(&path)?;
        Ok(Box::new(Appended { file, length: 0 }))
    }

    fn is_beside_store(&self) -> bool {
        self.beside_store
    }

    fn open_output(&self, output: &OutputFile, offset: u64) -> io::Result<Box<dyn SpoolFile>> {
        use std::os::unix::fs::MetadataExt as _;
        if !self.beside_store {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let file = OpenOptions::new().read(true).write(true).open(&*output.path)?;
        let found = file.metadata()?;
        if !found.is_file() || (found.dev(), found.ino()) != (output.device, output.inode) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "another file is there"));
        }
        Ok(Box::new(Appended { file, length: offset }))
    }
}

#[derive(Debug)]
struct Appended {
    file: File,
    length: u64,
}

impl SpoolFile for Appended {
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

    fn skip(&mut self, count: u64) {
        self.length += count;
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }
}

/// Spool files in memory, with a limit on all of them together: for tests and the simulator.
#[derive(Clone, Debug)]
pub struct SpoolMemory {
    free: Arc<AtomicUsize>,
    store: Option<MemoryStore>,
}

impl SpoolMemory {
    /// A disk of so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(limit)), store: None }
    }

    /// The same for a worker in the process of its manager, which writes long output into its store at once.
    #[must_use]
    pub fn beside(self, store: MemoryStore) -> Self {
        Self { store: Some(store), ..self }
    }

    /// Room for so many bytes, or what there is of it.
    fn take(free: &AtomicUsize, wanted: usize) -> usize {
        let mut fits = 0;
        let _ = free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            fits = free.min(wanted);
            Some(free - fits)
        });
        fits
    }
}

impl SpoolDisk for SpoolMemory {
    fn create(&self) -> io::Result<Box<dyn SpoolFile>> {
        Ok(Box::new(InMemory { bytes: Vec::new(), free: Arc::clone(&self.free) }))
    }

    fn is_beside_store(&self) -> bool {
        self.store.is_some()
    }

    fn open_output(&self, output: &OutputFile, offset: u64) -> io::Result<Box<dyn SpoolFile>> {
        let file = self.store.as_ref().and_then(|store| store.file(output)).ok_or(io::ErrorKind::NotFound)?;
        let length = usize::try_from(offset).map_err(io::Error::other)?;
        Ok(Box::new(InStore { file, length, taken: 0, free: Arc::clone(&self.free) }))
    }
}

#[derive(Debug)]
struct InMemory {
    bytes: Vec<u8>,
    free: Arc<AtomicUsize>,
}

impl SpoolFile for InMemory {
    fn append(&mut self, bytes: &[u8]) -> usize {
        let fits = SpoolMemory::take(&self.free, bytes.len());
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

/// A file of a store in memory.
#[derive(Debug)]
struct InStore {
    file: MemoryFile,
    length: usize,
    taken: usize,
    free: Arc<AtomicUsize>,
}

impl SpoolFile for InStore {
    fn append(&mut self, bytes: &[u8]) -> usize {
        let fits = SpoolMemory::take(&self.free, bytes.len());
        self.file.write_at(self.length, &bytes[..fits]);
        self.length += fits;
        self.taken += fits;
        fits
    }

    fn skip(&mut self, count: u64) {
        self.length += usize::try_from(count).unwrap_or(usize::MAX);
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = self.file.read(from, from + buffer.len());
        if bytes.len() < buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.copy_from_slice(&bytes);
        Ok(())
    }
}

impl Drop for InStore {
    fn drop(&mut self) {
        self.free.fetch_add(self.taken, Ordering::Relaxed);
    }
}

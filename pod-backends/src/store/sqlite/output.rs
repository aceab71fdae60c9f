//! The output of attempts: small ones wait in memory for their row, larger ones go to files as they come.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use pod_core::{
    domain::{AttemptKey, OutputSummary, Stream},
    store::{DurableOffsets, INLINE_OUTPUT, OutputSlice, StoreError},
};

use super::rows;

/// Output of open attempts.
#[derive(Debug)]
pub(super) struct Outputs {
    dir: PathBuf,
    open: Mutex<HashMap<AttemptKey, Arc<Mutex<Open>>>>,
}

/// Both streams of an open attempt.
#[derive(Debug)]
pub(super) struct Open {
    streams: [Half; 2],
}

/// One stream of an open attempt.
#[derive(Debug, Default)]
pub(super) struct Half {
    memory: Vec<u8>,
    file: Option<File>,
    /// How much there is from the start on.
    pub(super) len: u64,
    durable: u64,
    pub(super) tail: Option<(u64, Bytes)>,
}

impl Half {
    /// What goes into the row: the bytes, unless they are in a file.
    pub(super) fn inline(&self) -> Option<&[u8]> {
        self.file.is_none().then_some(self.memory.as_slice())
    }
}

impl Open {
    pub(super) fn of(&self, stream: Stream) -> &Half {
        &self.streams[stream as usize]
    }
}

impl Outputs {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, open: Mutex::default() }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, key: AttemptKey, stream: Stream) -> PathBuf {
        let folder = (key.execution.0 / 1000).to_string();
        self.dir.join(folder).join(format!("{key}.{}", stream.as_str()))
    }

    /// The open output of an attempt, if any came.
    pub(super) fn get(&self, key: AttemptKey) -> Option<Arc<Mutex<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Forgets what was committed or given up.
    pub(super) fn close(&self, keys: &[AttemptKey]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            open.remove(key);
        }
    }

    fn opened(&self, key: AttemptKey) -> Result<Arc<Mutex<Open>>, StoreError> {
        if let Some(open) = self.get(key) {
            return Ok(open);
        }
        // After a restart of the manager: what was in memory comes again, what is in a file goes on.
        let mut streams = [Half::default(), Half::default()];
        for stream in Stream::BOTH {
            let path = self.path(key, stream);
            match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(file) => {
                    let half = &mut streams[stream as usize];
                    half.len = file.metadata().map_err(disk)?.len();
                    half.file = Some(file);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(disk(error)),
            }
        }
        let open = Arc::new(Mutex::new(Open { streams }));
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.entry(key).or_insert(open).clone())
    }

    pub(super) fn append(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let open = self.opened(key)?;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let half = &mut open.streams[stream as usize];
        if offset > half.len {
            return Err(StoreError::Gap { expected: half.len, offset });
        }
        let end = offset + bytes.len() as u64;
        if half.file.is_none() && end > INLINE_OUTPUT as u64 {
            let path = self.path(key, stream);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(disk)?;
            }
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path);
            let file = file.map_err(disk)?;
            file.write_all_at(&half.memory, 0).map_err(disk)?;
            half.file = Some(file);
            half.memory = Vec::new();
        }
        match &half.file {
            // Also what came before: it may be what a power failure left of it.
            Some(file) => file.write_all_at(bytes, offset).map_err(disk)?,
            None => {
                let known = usize::try_from(half.len - offset).unwrap_or(usize::MAX);
                if let Some(fresh) = bytes.get(known..) {
                    half.memory.extend_from_slice(fresh);
                }
            }
        }
        half.len = half.len.max(end);
        Ok(())
    }

    pub(super) fn append_tail(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let open = self.opened(key)?;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let half = &mut open.streams[stream as usize];
        let known = usize::try_from(half.len.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        half.tail = Some((offset + known as u64, bytes.slice(known..)));
        Ok(())
    }

    /// Blocks until what is in files is on the disk.
    pub(super) fn sync(&self, key: AttemptKey) -> Result<DurableOffsets, StoreError> {
        let Some(open) = self.get(key) else { return Ok(DurableOffsets::default()) };
        let mut durable = [0; 2];
        for stream in Stream::BOTH {
            let (file, len) = {
                let open = open.lock().unwrap_or_else(PoisonError::into_inner);
                let half = open.of(stream);
                (half.file.as_ref().map(File::try_clone).transpose().map_err(disk)?, half.len)
            };
            // Without the lock: the stream goes on while the disk works.
            if let Some(file) = file {
                let already = open.lock().unwrap_or_else(PoisonError::into_inner).of(stream).durable;
                if len > already {
                    file.sync_data().map_err(disk)?;
                }
                let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                open.streams[stream as usize].durable = len;
                durable[stream as usize] = len;
            }
        }
        Ok(DurableOffsets { stdout: durable[0], stderr: durable[1] })
    }

    /// Reads from an open attempt; `None` when nothing of it is open.
    pub(super) fn read(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<Option<OutputSlice>, StoreError> {
        let Some(open) = self.get(key) else { return Ok(None) };
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let half = open.of(stream);
        let head = Head { len: half.len, memory: half.inline(), file: half.file.as_ref() };
        let tail = half.tail.as_ref().map(|(at, bytes)| (*at, &bytes[..]));
        read(&head, tail, offset, limit).map(Some)
    }

    pub(super) fn summary(&self, key: AttemptKey) -> Option<OutputSummary> {
        let open = self.get(key)?;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |half: &Half| rows::summary(half.len, half.tail.as_ref().map(|(at, bytes)| (*at, bytes.len() as u64)));
        Some(OutputSummary { stdout: of(open.of(Stream::Stdout)), stderr: of(open.of(Stream::Stderr)) })
    }

    /// The file of an ended attempt whose output is not in its row.
    pub(super) fn file(&self, key: AttemptKey, stream: Stream) -> Result<File, StoreError> {
        File::open(self.path(key, stream)).map_err(disk)
    }

    /// Whether anything of an open attempt is in a file.
    pub(super) fn is_on_disk(&self, key: AttemptKey) -> bool {
        let Some(open) = self.get(key) else { return false };
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        open.streams.iter().any(|half| half.file.is_some())
    }

    /// Deletes the files of an attempt, if it has any.
    pub(super) fn delete(&self, key: AttemptKey) {
        for stream in Stream::BOTH {
            let _ = fs::remove_file(self.path(key, stream));
        }
    }
}

/// What there is from the start of a stream on, and where.
pub(super) struct Head<'a> {
    pub(super) len: u64,
    pub(super) memory: Option<&'a [u8]>,
    pub(super) file: Option<&'a File>,
}

/// Reads head and tail as one stream with a gap.
pub(super) fn read(
    head: &Head<'_>,
    tail: Option<(u64, &[u8])>,
    offset: u64,
    limit: usize,
) -> Result<OutputSlice, StoreError> {
    if offset < head.len {
        let len = usize::try_from(head.len - offset).unwrap_or(usize::MAX).min(limit);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = match (head.memory, head.file) {
            (Some(memory), _) => Bytes::copy_from_slice(&memory[start..start + len]),
            (None, Some(file)) => {
                let mut buffer = vec![0; len];
                file.read_exact_at(&mut buffer, offset).map_err(disk)?;
                buffer.into()
            }
            (None, None) => Bytes::new(),
        };
        return Ok(OutputSlice { offset, bytes });
    }
    let Some((at, bytes)) = tail.filter(|(at, bytes)| offset < at + bytes.len() as u64) else {
        return Ok(OutputSlice { offset, bytes: Bytes::new() });
    };
    let first = offset.max(at);
    let start = usize::try_from(first - at).unwrap_or(usize::MAX);
    let end = start.saturating_add(limit).min(bytes.len());
    Ok(OutputSlice { offset: first, bytes: Bytes::copy_from_slice(&bytes[start..end]) })
}

/// What an error of the disk means.
pub(super) fn disk(error: io::Error) -> StoreError {
    let sentence: Arc<str> = format!("output could not be written or read: {error}").into();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(sentence),
        _ => StoreError::Unavailable(sentence),
    }
}

//! The output of open attempts, and the files of all long output.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use pod_core::{
    domain::{AttemptKey, AttemptNo, ExecutionId, OutputFile, OutputSummary, Stream},
    store::{DurableOffsets, OutputSlice, StoreError},
};

use self::{layout::Layout, stream::AttemptOutput};
use super::error::from_io;

mod channel;
mod files;
mod layout;
mod stream;

pub(super) use channel::OutputChannel;
pub(super) use files::OutputFiles;
pub(super) use stream::SealedOutput;

type Shared = Arc<tokio::sync::Mutex<AttemptOutput>>;

/// The open attempts, and what they printed.
#[derive(Debug)]
pub(super) struct OpenAttempts {
    files: OutputFiles,
    open: Mutex<HashMap<ExecutionId, (AttemptNo, Shared)>>,
}

impl OpenAttempts {
    pub(super) fn new(files: OutputFiles) -> Self {
        Self { files, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<ExecutionId, (AttemptNo, Shared)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn of(&self, execution: ExecutionId) -> Option<AttemptNo> {
        self.open().get(&execution).map(|(attempt, _)| *attempt)
    }

    fn get(&self, key: AttemptKey) -> Option<Shared> {
        let open = self.open();
        let (attempt, output) = open.get(&key.execution)?;
        (*attempt == key.attempt).then(|| Arc::clone(output))
    }

    /// Holds exactly these from now on; keeps what is in memory of those it held before.
    pub(super) fn replace(&self, keys: &[AttemptKey]) -> io::Result<()> {
        let mut open = self.open();
        let keep: HashSet<AttemptKey> = keys.iter().copied().collect();
        open.retain(|execution, (attempt, _)| keep.contains(&AttemptKey { execution: *execution, attempt: *attempt }));
        for key in keys {
            if let Entry::Vacant(vacant) = open.entry(key.execution) {
                let output = Arc::new(tokio::sync::Mutex::new(AttemptOutput::find(&self.files, *key)?));
                vacant.insert((key.attempt, output));
            }
        }
        Ok(())
    }

    /// Applies what a committed batch opened and ended.
    pub(super) fn apply(&self, changed: &HashMap<ExecutionId, Option<AttemptNo>>) {
        let mut open = self.open();
        for (execution, attempt) in changed {
            match attempt {
                Some(attempt) => {
                    let key = AttemptKey { execution: *execution, attempt: *attempt };
                    let output = Arc::new(tokio::sync::Mutex::new(AttemptOutput::empty(&self.files, key)));
                    open.insert(*execution, (*attempt, output));
                }
                None => drop(open.remove(execution)),
            }
        }
    }

    /// Makes the output of attempts that end durable, or ready to be committed in their rows.
    pub(super) async fn seal(
        &self,
        keys: impl Iterator<Item = AttemptKey>,
    ) -> Result<HashMap<AttemptKey, SealedOutput>, StoreError> {
        let mut sealed = HashMap::new();
        for (key, output) in keys.filter_map(|key| Some((key, self.get(key)?))) {
            sync(&output).await?;
            let output = output.lock().await.sealed();
            if output.summary != OutputSummary::default() {
                sealed.insert(key, output);
            }
        }
        Ok(sealed)
    }

    /// Takes a piece of the output of an open attempt; tells if it is not open. What is small goes with the end of its
    /// attempt, for which space is kept back: only what goes into files asks for room.
    pub(super) async fn append(
        &self,
        key: AttemptKey,
        track: OutputChannel,
        offset: u64,
        bytes: &Bytes,
        room: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<Appended, StoreError> {
        let Some(output) = self.get(key) else { return Ok(Appended::NotOpen) };
        let mut output = output.lock_owned().await;
        if output.of_mut(track).append_in_memory(offset, bytes)? {
            return Ok(Appended::Taken);
        }
        room()?;
        let bytes = bytes.clone();
        blocking(move || output.of_mut(track).append_to_file(offset, &bytes)).await?;
        Ok(Appended::Taken)
    }

    /// The file of the head of a stream, made if there is none; nothing of an attempt that is not open.
    pub(super) async fn head_file(&self, key: AttemptKey, stream: Stream) -> Result<Option<OutputFile>, StoreError> {
        let Some(output) = self.get(key) else { return Ok(None) };
        let mut output = output.lock_owned().await;
        blocking(move || output.of_mut(OutputChannel::Of(stream)).head_file()).await
    }

    /// Takes what a worker wrote into that file by itself.
    pub(super) async fn take_written(
        &self,
        key: AttemptKey,
        stream: Stream,
        from: u64,
        to: u64,
    ) -> Result<Appended, StoreError> {
        let Some(output) = self.get(key) else { return Ok(Appended::NotOpen) };
        let mut output = output.lock_owned().await;
        blocking(move || output.of_mut(OutputChannel::Of(stream)).take_written(from, to)).await?;
        Ok(Appended::Taken)
    }

    pub(super) async fn put_tail(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        bytes: Bytes,
    ) -> Result<Appended, StoreError> {
        let Some(output) = self.get(key) else { return Ok(Appended::NotOpen) };
        let mut output = output.lock_owned().await;
        blocking(move || output.of_mut(OutputChannel::Of(stream)).put_tail(offset, bytes)).await?;
        Ok(Appended::Taken)
    }

    pub(super) async fn sync(&self, key: AttemptKey) -> Result<Option<DurableOffsets>, StoreError> {
        let Some(output) = self.get(key) else { return Ok(None) };
        sync(&output).await?;
        Ok(Some(output.lock().await.durable()))
    }

    pub(super) async fn read(
        &self,
        key: AttemptKey,
        track: OutputChannel,
        offset: u64,
        limit: usize,
    ) -> Result<Option<OutputSlice>, StoreError> {
        let Some(output) = self.get(key) else { return Ok(None) };
        let output = output.lock().await;
        let output = output.of(track);
        if let Some(layout) = output.layout() {
            let (file, layout) = (output.file.clone(), layout.clone());
            let read = move || file.read(&layout, offset, limit).map_err(|error| from_io(&error, "cannot read output"));
            return blocking(read).await.map(Some);
        }
        let bytes = output.memory();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(limit).min(bytes.len());
        Ok(Some(OutputSlice { offset, bytes: Bytes::copy_from_slice(&bytes[start..end]) }))
    }

    pub(super) async fn summary(&self, key: AttemptKey) -> Option<OutputSummary> {
        let output = self.get(key)?;
        let output = output.lock().await;
        Some(output.summary())
    }

    /// Reads the files of an attempt that has ended, of the head as much as was committed.
    pub(super) async fn read_ended(
        &self,
        key: AttemptKey,
        track: OutputChannel,
        offset: u64,
        limit: usize,
        head: Option<u64>,
    ) -> Result<OutputSlice, StoreError> {
        let file = self.files.track(key, track);
        blocking(move || {
            let read = |mut layout: Layout| {
                layout.head = head.map_or(layout.head, |head| head.min(layout.head));
                file.read(&layout, offset, limit)
            };
            file.layout()
                .and_then(|layout| read(layout.unwrap_or_default()))
                .map_err(|error| from_io(&error, "cannot read output"))
        })
        .await
    }
}

/// Whether an append found its attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Appended {
    Taken,
    NotOpen,
}

async fn sync(output: &Shared) -> Result<(), StoreError> {
    for track in OutputChannel::ALL {
        let Some(sync) = output.lock().await.of(track).unsynced() else { continue };
        let synced = blocking(move || match sync.run() {
            Ok(()) => Ok(sync),
            Err(error) => Err(from_io(&error, "cannot make output durable")),
        });
        let synced = synced.await?;
        output.lock().await.of_mut(track).synced(synced);
    }
    Ok(())
}

/// Runs what blocks on the disk apart from the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let failed = |error| StoreError::Unavailable(format!("a task of the store failed: {error}").into());
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

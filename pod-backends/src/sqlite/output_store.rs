//! What the store does with output: what is small stays in memory and goes into the row of its attempt, what is long
//! goes into files.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pod_core::{
    domain::{AttemptKey, OutputFile, OutputSummary, Stream},
    store::{DurableOffsets, InstallLog, OutputSlice, OutputStore, StoreError},
};

use super::{
    SqliteStore,
    encoding::attempt_key,
    error::from_io,
    output::{Appended, OutputChannel, blocking},
    read::{self, Inline},
};

#[async_trait]
impl OutputStore for SqliteStore {
    async fn append_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let appended =
            self.shared.open.append(key, OutputChannel::Of(stream), offset, &bytes, || self.check_room()).await;
        match self.noting_full(appended)? {
            Appended::Taken => Ok(()),
            Appended::NotOpen => self.known_output(key, stream, offset.saturating_add(bytes.len() as u64)).await,
        }
    }

    async fn output_file(&self, key: AttemptKey, stream: Stream) -> Result<Option<OutputFile>, StoreError> {
        self.check_room()?;
        let file = self.shared.open.head_file(key, stream).await;
        self.noting_full(file)
    }

    async fn wrote_output(&self, key: AttemptKey, stream: Stream, from: u64, to: u64) -> Result<(), StoreError> {
        match self.shared.open.take_written(key, stream, from, to).await? {
            Appended::Taken => Ok(()),
            Appended::NotOpen => self.known_output(key, stream, to).await,
        }
    }

    async fn append_tail(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.check_room()?;
        let end = offset.saturating_add(bytes.len() as u64);
        let put = self.shared.open.put_tail(key, stream, offset, bytes).await;
        match self.noting_full(put)? {
            Appended::Taken => Ok(()),
            Appended::NotOpen => self.known_output(key, stream, end).await,
        }
    }

    async fn sync_output(&self, key: AttemptKey) -> Result<DurableOffsets, StoreError> {
        if let Some(durable) = self.shared.open.sync(key).await? {
            return Ok(durable);
        }
        let output = self.output_summary(key).await?;
        Ok(DurableOffsets { stdout: output.stdout.len, stderr: output.stderr.len, interleaving: 0 })
    }

    async fn read_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputSlice, StoreError> {
        self.read_track(key, OutputChannel::Of(stream), offset, limit).await
    }

    async fn append_interleaving(&self, key: AttemptKey, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        let appended = self.shared.open.append(key, OutputChannel::Order, offset, &bytes, || self.check_room()).await;
        match self.noting_full(appended)? {
            Appended::Taken => Ok(()),
            Appended::NotOpen => self.known_output(key, Stream::Stdout, 0).await,
        }
    }

    async fn read_interleaving(&self, key: AttemptKey, offset: u64, limit: usize) -> Result<Bytes, StoreError> {
        Ok(self.read_track(key, OutputChannel::Order, offset, limit).await?.bytes)
    }

    async fn output_summary(&self, key: AttemptKey) -> Result<OutputSummary, StoreError> {
        if let Some(summary) = self.shared.open.summary(key).await {
            return Ok(summary);
        }
        let attempt = read::attempt(&self.readers, attempt_key(key)?).await?;
        Ok(attempt.map(|attempt| attempt.output).unwrap_or_default())
    }

    async fn append_install_log(&self, log: InstallLog, bytes: Bytes, restart: bool) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let append = move || shared.logs.append(log, &bytes, restart);
        blocking(move || append().map_err(|error| from_io(&error, "cannot write the log of an installation"))).await
    }

    async fn install_log(&self, log: InstallLog) -> Result<Bytes, StoreError> {
        let shared = Arc::clone(&self.shared);
        let read = move || shared.logs.read(log).map(Bytes::from);
        blocking(move || read().map_err(|error| from_io(&error, "cannot read the log of an installation"))).await
    }
}

impl SqliteStore {
    /// An attempt that is not open: what is sent again of it is known, anything else is refused.
    async fn known_output(&self, key: AttemptKey, stream: Stream, end: u64) -> Result<(), StoreError> {
        match read::attempt(&self.readers, attempt_key(key)?).await? {
            Some(attempt) if attempt.end.is_some() && end <= attempt.output.stream(stream).len => Ok(()),
            _ => Err(StoreError::not_open(key)),
        }
    }

    /// Where a piece of output found no space, nothing else that can wait is tried before there is some.
    fn noting_full<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Full(_)) = outcome {
            self.shared.reserve.note_full();
        }
        outcome
    }

    async fn read_track(
        &self,
        key: AttemptKey,
        track: OutputChannel,
        offset: u64,
        limit: usize,
    ) -> Result<OutputSlice, StoreError> {
        if let Some(slice) = self.shared.open.read(key, track, offset, limit).await? {
            return Ok(slice);
        }
        let row = read::inline_output(&self.readers, attempt_key(key)?, track, offset, limit).await?;
        match row {
            Some(Inline { bytes: Some(bytes), .. }) => Ok(OutputSlice { offset, bytes: bytes.into() }),
            row => {
                let head = row.and_then(|row| row.head);
                self.shared.open.read_ended(key, track, offset, limit, head).await
            }
        }
    }

    fn check_room(&self) -> Result<(), StoreError> {
        if self.shared.reserve.is_due() {
            self.shared.reserve.take_again();
        }
        if self.shared.reserve.is_full() {
            return Err(StoreError::Full("there is no room for output on the manager's disk".into()));
        }
        Ok(())
    }
}

//! The trait of what keeps output, apart from the rows of the executions that printed it.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use super::error::StoreError;
use crate::domain::{ActivityId, AttemptKey, OutputFile, OutputSummary, RevisionNo, Stream, WorkerId};

/// Output up to this many bytes per stream waits for the end of its attempt and is committed with it.
pub const INLINE_OUTPUT: usize = 16 << 10;
/// How much of the log of an installation is kept.
pub const INSTALL_LOG_LIMIT: usize = 1 << 20;

/// Keeps what executions and installations print: by attempt, stream and offset.
///
/// Every [`Store`](super::Store) is one, so an application and the engine hold one object. A store of rows whose output is
/// kept elsewhere is a `Store` that forwards these methods to there, and the others to the rows. Its
/// [`commit`](super::Store::commit) keeps what is promised of the two: the output of attempts that end is durable before
/// the transaction of the rows begins, and that of attempts that are deleted goes after it.
///
/// An output store need not know which attempts are open. One that knows the rows refuses output of others.
#[async_trait]
pub trait OutputStore: Debug + Send + Sync + 'static {
    /// Takes output of an open attempt. `offset` may lie before what is there (sent again: nothing changes, or the same
    /// bytes are written again), not after it (`StoreError::Gap`). Readable at once, durable after `sync_output` or
    /// with the end of the attempt.
    async fn append_output(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes)
    -> Result<(), StoreError>;

    /// The file that holds a stream of an open attempt from its first byte on, made where there was none, for a worker on
    /// this machine to write itself. Nothing where output is not kept so, or the attempt is not open.
    async fn output_file(&self, key: AttemptKey, stream: Stream) -> Result<Option<OutputFile>, StoreError> {
        let _ = (key, stream);
        Ok(None)
    }

    /// Takes output of an open attempt that a worker wrote into its [`Self::output_file`]: as [`Self::append_output`] of
    /// bytes that are there already. `StoreError::Gap` where they are not.
    async fn wrote_output(&self, key: AttemptKey, stream: Stream, from: u64, to: u64) -> Result<(), StoreError> {
        let _ = (key, stream, to);
        Err(StoreError::Gap { expected: 0, offset: from })
    }

    /// Takes the tail of a stream that the cap cut: what lies between what is there and `offset` is its gap.
    /// A later tail of the same stream replaces an earlier one.
    async fn append_tail(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes) -> Result<(), StoreError>;

    /// Takes a piece of the log of the order in which the output of an open attempt came: [`crate::domain::OutputSegment`]s, which
    /// the store need not understand. By offset and as durable as output.
    async fn append_interleaving(&self, key: AttemptKey, offset: u64, bytes: Bytes) -> Result<(), StoreError>;

    /// Reads the log of the order from `offset`, at most `limit` bytes; nothing of an attempt that has none.
    async fn read_interleaving(&self, key: AttemptKey, offset: u64, limit: usize) -> Result<Bytes, StoreError>;

    /// Makes output durable that is worth it, and says up to where it is. What is small and waits for the end of its
    /// attempt is not made durable before: the worker keeps it.
    async fn sync_output(&self, key: AttemptKey) -> Result<DurableOffsets, StoreError>;

    /// Reads from `offset`: as much as there is contiguously, at most `limit` bytes. Where `offset` lies in the gap,
    /// reading goes on after it (`OutputSlice::offset` tells).
    async fn read_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputSlice, StoreError>;

    /// How much output an attempt has, by now.
    async fn output_summary(&self, key: AttemptKey) -> Result<OutputSummary, StoreError>;

    /// Takes a piece of the output of an installation; `restart` discards what an earlier try left.
    /// Bounded (1 MiB, the head is dropped); need not be durable at once.
    async fn append_install_log(&self, log: InstallLog, bytes: Bytes, restart: bool) -> Result<(), StoreError>;

    /// The output of an installation as far as it is kept.
    async fn install_log(&self, log: InstallLog) -> Result<Bytes, StoreError>;
}

/// Up to where output is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DurableOffsets {
    /// Of stdout.
    pub stdout: u64,
    /// Of stderr.
    pub stderr: u64,
    /// Of the log of their order; 0 when the attempt has ended, with which all of it is durable.
    pub interleaving: u64,
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OutputSlice {
    /// The offset of the first byte; later than asked for where that lay in the gap.
    pub offset: u64,
    /// The bytes; empty at the end of what there is.
    pub bytes: Bytes,
}

/// The log of one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstallLog {
    /// The worker.
    pub worker: WorkerId,
    /// The activity.
    pub activity: ActivityId,
    /// The revision.
    pub revision: RevisionNo,
}

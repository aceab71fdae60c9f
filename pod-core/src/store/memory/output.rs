//! The output of one attempt, and the rules of joining pieces of it.

use bytes::Bytes;

use super::{
    super::{
        error::StoreError,
        output::{DurableOffsets, INLINE_OUTPUT, OutputSlice},
    },
    file::MemoryFile,
};
use crate::domain::{Gap, OutputSummary, Stream, StreamSummary};

/// Both streams of an attempt.
#[derive(Clone, Debug, Default)]
pub(super) struct Output {
    stdout: StreamOutput,
    stderr: StreamOutput,
    pub(super) order: StreamOutput,
}

impl Output {
    pub(super) const fn of(&self, stream: Stream) -> &StreamOutput {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    pub(super) fn of_mut(&mut self, stream: Stream) -> &mut StreamOutput {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    pub(super) fn summary(&self) -> OutputSummary {
        OutputSummary { stdout: self.stdout.summary(), stderr: self.stderr.summary() }
    }

    /// From now on it is kept in files of its own.
    #[cfg(feature = "testing")]
    pub(super) fn detach(&mut self) {
        for stream in [&mut self.stdout, &mut self.stderr, &mut self.order] {
            stream.file = stream.file.duplicate();
        }
    }

    pub(super) fn sync(&mut self) -> DurableOffsets {
        DurableOffsets { stdout: self.stdout.sync(), stderr: self.stderr.sync(), interleaving: self.order.sync() }
    }

    pub(super) fn lose_unsynced(&mut self) {
        self.stdout.lose_unsynced();
        self.stderr.lose_unsynced();
        self.order.lose_unsynced();
    }
}

/// One stream: what came from its start on, and the tail behind the gap.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamOutput {
    file: MemoryFile,
    /// How much of the file is known to be of the head.
    head: usize,
    tail: Option<Tail>,
    durable: usize,
}

#[derive(Clone, Debug)]
struct Tail {
    offset: u64,
    bytes: Bytes,
}

impl Tail {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

impl StreamOutput {
    fn head_len(&self) -> u64 {
        self.head as u64
    }

    pub(super) fn file(&self) -> MemoryFile {
        self.file.clone()
    }

    /// Takes what a worker wrote into the file by itself.
    pub(super) fn wrote(&mut self, from: u64, to: u64) -> Result<(), StoreError> {
        let (expected, there) = (self.head_len(), self.file.len() as u64);
        if from > expected || there < to {
            return Err(StoreError::Gap { expected: expected.min(there), offset: from });
        }
        self.head = self.head.max(usize::try_from(to).unwrap_or(usize::MAX));
        Ok(())
    }

    /// Whether a piece says nothing new.
    pub(super) fn covers(&self, offset: u64, len: usize) -> bool {
        offset + len as u64 <= self.head_len()
    }

    pub(super) fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let expected = self.head_len();
        if offset > expected {
            return Err(StoreError::Gap { expected, offset });
        }
        let known = usize::try_from(expected - offset).unwrap_or(usize::MAX);
        if let Some(fresh) = bytes.get(known..) {
            self.file.write_at(self.head, fresh);
            self.head += fresh.len();
        }
        Ok(())
    }

    pub(super) fn put_tail(&mut self, offset: u64, bytes: Bytes) {
        // What the head already holds is not kept twice.
        let known = usize::try_from(self.head_len().saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        self.tail = Some(Tail { offset: offset + known as u64, bytes: bytes.slice(known..) });
    }

    pub(super) fn summary(&self) -> StreamSummary {
        let head = self.head_len();
        match &self.tail {
            Some(tail) => StreamSummary {
                len: head.max(tail.end()),
                gap: (tail.offset > head).then_some(Gap { start: head, end: tail.offset }),
            },
            None => StreamSummary { len: head, gap: None },
        }
    }

    pub(super) fn read(&self, offset: u64, limit: usize) -> OutputSlice {
        let mut bytes = Vec::new();
        let mut at = offset;
        if offset < self.head_len() {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(limit).min(self.head);
            bytes = self.file.read(start, end);
            at = end as u64;
        }
        let joins = |tail: &&Tail| bytes.is_empty() || (at == self.head_len() && tail.offset <= at);
        let Some(tail) = self.tail.as_ref().filter(joins).filter(|tail| at < tail.end()) else {
            return OutputSlice { offset, bytes: bytes.into() };
        };
        let first = if bytes.is_empty() { offset.max(tail.offset) } else { offset };
        let start = usize::try_from(at.max(tail.offset) - tail.offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(limit - bytes.len()).min(tail.bytes.len());
        bytes.extend_from_slice(&tail.bytes[start..end]);
        OutputSlice { offset: first, bytes: bytes.into() }
    }

    /// Small output waits for the end of its attempt.
    fn sync(&mut self) -> u64 {
        if self.head > INLINE_OUTPUT {
            self.durable = self.head;
        }
        self.durable as u64
    }

    fn lose_unsynced(&mut self) {
        // The bytes stay, for a worker that has the file: it knows of no crash.
        self.head = self.durable;
        self.tail = None;
    }
}

/// The log of an installation: the last piece of it.
#[derive(Clone, Debug, Default)]
pub(super) struct InstallOutput(Vec<u8>);

impl InstallOutput {
    pub(super) fn append(&mut self, bytes: &[u8], limit: usize) {
        self.0.extend_from_slice(bytes);
        let excess = self.0.len().saturating_sub(limit);
        self.0.drain(..excess);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

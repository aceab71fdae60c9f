//! The output of one open attempt: in memory while it is small, in files from then on.

use std::io;

use bytes::Bytes;
use pod_core::{
    domain::{AttemptKey, OutputFile, OutputSummary, Stream, StreamSummary},
    store::{DurableOffsets, INLINE_OUTPUT, StoreError},
};

use super::{
    channel::OutputChannel,
    files::{OutputFiles, StreamFile},
    layout::Layout,
};
use crate::sqlite::error::from_io;

/// Both streams of an open attempt, and the log of their order.
#[derive(Debug)]
pub(super) struct AttemptOutput {
    stdout: StreamOutput,
    stderr: StreamOutput,
    order: StreamOutput,
}

/// Output as it is committed with the end of its attempt.
#[derive(Clone, Debug, Default)]
pub(in crate::sqlite) struct SealedOutput {
    pub(in crate::sqlite) summary: OutputSummary,
    /// The bytes, where they are few.
    pub(in crate::sqlite) stdout: Option<Vec<u8>>,
    pub(in crate::sqlite) stderr: Option<Vec<u8>>,
    pub(in crate::sqlite) order: Option<Vec<u8>>,
}

impl AttemptOutput {
    /// What there is of it on disk; nothing for a new attempt.
    pub(super) fn find(files: &OutputFiles, key: AttemptKey) -> io::Result<Self> {
        let find = |track| StreamOutput::find(files.track(key, track));
        let (stdout, stderr) = (find(OutputChannel::Of(Stream::Stdout))?, find(OutputChannel::Of(Stream::Stderr))?);
        Ok(Self { stdout, stderr, order: find(OutputChannel::Order)? })
    }

    pub(super) fn empty(files: &OutputFiles, key: AttemptKey) -> Self {
        let empty = |track| StreamOutput { file: files.track(key, track), place: Place::Memory(Vec::new()) };
        let (stdout, stderr) = (empty(OutputChannel::Of(Stream::Stdout)), empty(OutputChannel::Of(Stream::Stderr)));
        Self { stdout, stderr, order: empty(OutputChannel::Order) }
    }

    pub(super) const fn of(&self, track: OutputChannel) -> &StreamOutput {
        match track {
            OutputChannel::Of(Stream::Stdout) => &self.stdout,
            OutputChannel::Of(Stream::Stderr) => &self.stderr,
            OutputChannel::Order => &self.order,
        }
    }

    pub(super) fn of_mut(&mut self, track: OutputChannel) -> &mut StreamOutput {
        match track {
            OutputChannel::Of(Stream::Stdout) => &mut self.stdout,
            OutputChannel::Of(Stream::Stderr) => &mut self.stderr,
            OutputChannel::Order => &mut self.order,
        }
    }

    pub(super) fn summary(&self) -> OutputSummary {
        OutputSummary { stdout: self.stdout.summary(), stderr: self.stderr.summary() }
    }

    pub(super) fn durable(&self) -> DurableOffsets {
        DurableOffsets {
            stdout: self.stdout.durable(),
            stderr: self.stderr.durable(),
            interleaving: self.order.durable(),
        }
    }

    pub(super) fn sealed(&self) -> SealedOutput {
        SealedOutput {
            summary: self.summary(),
            stdout: self.stdout.inline(),
            stderr: self.stderr.inline(),
            order: self.order.inline(),
        }
    }
}

/// One stream of an open attempt.
#[derive(Debug)]
pub(super) struct StreamOutput {
    pub(super) file: StreamFile,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    Files { layout: Layout, durable: Durable },
}

/// How much of the files survives a crash of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Durable {
    layout: Layout,
    named: bool,
}

impl StreamOutput {
    fn find(file: StreamFile) -> io::Result<Self> {
        let place = match file.layout()? {
            Some(layout) => Place::Files { layout, durable: Durable::default() },
            None => Place::Memory(Vec::new()),
        };
        Ok(Self { file, place })
    }

    pub(super) fn summary(&self) -> StreamSummary {
        match &self.place {
            Place::Memory(bytes) => StreamSummary { len: bytes.len() as u64, gap: None },
            Place::Files { layout, .. } => layout.summary(),
        }
    }

    /// The layout of the files, if it is in files.
    pub(super) fn layout(&self) -> Option<&Layout> {
        match &self.place {
            Place::Memory(_) => None,
            Place::Files { layout, .. } => Some(layout),
        }
    }

    pub(super) fn memory(&self) -> &[u8] {
        match &self.place {
            Place::Memory(bytes) => bytes,
            Place::Files { .. } => &[],
        }
    }

    fn inline(&self) -> Option<Vec<u8>> {
        match &self.place {
            Place::Memory(bytes) if !bytes.is_empty() => Some(bytes.clone()),
            _ => None,
        }
    }

    fn durable(&self) -> u64 {
        match &self.place {
            Place::Memory(_) => 0,
            Place::Files { durable, .. } => durable.layout.head,
        }
    }

    fn head(&self) -> u64 {
        match &self.place {
            Place::Memory(bytes) => bytes.len() as u64,
            Place::Files { layout, .. } => layout.head,
        }
    }

    /// Takes a piece if that needs no file; says whether it did.
    pub(super) fn append_in_memory(&mut self, offset: u64, bytes: &[u8]) -> Result<bool, StoreError> {
        let expected = self.head();
        if offset > expected {
            return Err(StoreError::Gap { expected, offset });
        }
        let Place::Memory(kept) = &mut self.place else { return Ok(false) };
        let Some(fresh) = usize::try_from(expected - offset).ok().and_then(|known| bytes.get(known..)) else {
            return Ok(true);
        };
        if kept.len() + fresh.len() > INLINE_OUTPUT {
            return Ok(false);
        }
        kept.extend_from_slice(fresh);
        Ok(true)
    }

    /// Takes a piece that [`Self::append_in_memory`] did not. Blocks.
    pub(super) fn append_to_file(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.move_to_file()?;
        let Self { file, place: Place::Files { layout, durable } } = self else { return Ok(()) };
        file.write(offset, bytes).map_err(|error| from_io(&error, "cannot write output"))?;
        // Bytes written again may differ from what a power failure left, so they have to be synced again.
        durable.layout.head = durable.layout.head.min(offset);
        layout.head = layout.head.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// The file of the head, made if there is none. Blocks.
    pub(super) fn head_file(&mut self) -> Result<Option<OutputFile>, StoreError> {
        self.move_to_file()?;
        self.file.hold().map_err(|error| from_io(&error, "cannot open output"))?;
        self.file.identity().map_err(|error| from_io(&error, "cannot look at output"))
    }

    /// Takes what a worker wrote into the file of the head by itself. Blocks.
    pub(super) fn take_written(&mut self, from: u64, to: u64) -> Result<(), StoreError> {
        let expected = self.head();
        let written = self.file.head_len().map_err(|error| from_io(&error, "cannot look at output"))?;
        let Place::Files { layout, durable } = &mut self.place else {
            return Err(StoreError::Gap { expected, offset: from });
        };
        if from > expected || written < to {
            return Err(StoreError::Gap { expected: expected.min(written), offset: from });
        }
        durable.layout.head = durable.layout.head.min(from);
        layout.head = layout.head.max(to);
        Ok(())
    }

    /// Takes the tail. Blocks.
    pub(super) fn put_tail(&mut self, offset: u64, mut bytes: Bytes) -> Result<(), StoreError> {
        self.move_to_file()?;
        let Self { file, place: Place::Files { layout, durable } } = self else { return Ok(()) };
        let known = usize::try_from(layout.head.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        let start = offset + known as u64;
        let bytes = bytes.split_off(known);
        file.write_tail(start, &bytes).map_err(|error| from_io(&error, "cannot write the tail of output"))?;
        durable.layout.tail = None;
        layout.tail = Some(start..start + bytes.len() as u64);
        Ok(())
    }

    fn move_to_file(&mut self) -> Result<(), StoreError> {
        if let Place::Memory(bytes) = &self.place {
            self.file.write(0, bytes).map_err(|error| from_io(&error, "cannot write output"))?;
            let layout = Layout { head: bytes.len() as u64, tail: None };
            self.place = Place::Files { layout, durable: Durable::default() };
        }
        Ok(())
    }

    /// What a sync has to do, if anything, and what is durable after it.
    pub(super) fn unsynced(&self) -> Option<Sync> {
        let Place::Files { layout, durable } = &self.place else { return None };
        if durable.named && durable.layout == *layout {
            return None;
        }
        let only_head = durable.named && durable.layout.tail == layout.tail;
        Some(Sync { file: self.file.clone(), only_head, layout: layout.clone() })
    }

    /// Notes that a sync was done.
    pub(super) fn synced(&mut self, sync: Sync) {
        if let Place::Files { durable, .. } = &mut self.place {
            *durable = Durable { layout: sync.layout, named: true };
        }
    }
}

/// A sync to be done without holding up those who append and read.
#[derive(Debug)]
pub(super) struct Sync {
    file: StreamFile,
    only_head: bool,
    layout: Layout,
}

impl Sync {
    /// Blocks.
    pub(super) fn run(&self) -> io::Result<()> {
        if self.only_head { self.file.sync_head() } else { self.file.sync() }
    }
}

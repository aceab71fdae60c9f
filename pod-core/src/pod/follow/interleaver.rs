//! Both streams of an attempt, in the order in which they came.
//!
//! The log of the order says so many bytes of this stream, then so many of that one. It is gone through from its
//! beginning, past what is known, which a follower tells by an offset per stream: so any place is one to go on from.

use bytes::Bytes;

use super::position::OutputPosition;
use crate::{
    domain::{AttemptKey, Gap, Millis, OutputSegment, OutputSummary, Stream},
    store::{OutputSlice, Store, StoreError},
};

/// How much is read at a time.
const PIECE: usize = 64 << 10;

/// The next thing in the output of an attempt.
pub(super) enum Step {
    /// Bytes, and how long after the beginning of the attempt they came, where that is known.
    Bytes { stream: Stream, slice: OutputSlice, since: Option<Millis> },
    /// Missing bytes.
    Gap(Stream, Gap),
}

/// Where the reading of an attempt's output stands.
#[derive(Debug)]
pub(super) struct Interleaver {
    key: AttemptKey,
    log: Log,
    /// What is left of the run that is at hand.
    run: Option<OutputSegment>,
    /// Up to where the log was gone through, in offsets of both streams.
    passed: [u64; 2],
    /// What was read of both streams beyond what was given.
    ahead: [OutputSlice; 2],
    /// How much there is, once that does not change any more.
    whole: Option<OutputSummary>,
    /// The gaps of what was known at the beginning.
    gaps: Option<[Option<Gap>; 2]>,
    /// The log tells nothing of what is left.
    unordered: bool,
}

impl Interleaver {
    pub(super) fn of(key: AttemptKey) -> Self {
        Self {
            key,
            log: Log::default(),
            run: None,
            passed: [0; 2],
            ahead: Default::default(),
            whole: None,
            gaps: None,
            unordered: false,
        }
    }

    pub(super) const fn key(&self) -> AttemptKey {
        self.key
    }

    /// The next step from a position on, which it moves; nothing when there is nothing more by now. `closed` says that
    /// the attempt had ended before. Cancellation safe.
    pub(super) async fn next(
        &mut self,
        store: &dyn Store,
        position: &mut OutputPosition,
        closed: bool,
    ) -> Result<Option<Step>, StoreError> {
        if closed && self.whole.is_none() {
            self.whole = Some(store.output_summary(self.key).await?);
        }
        loop {
            if self.whole.is_some_and(|whole| Stream::BOTH.iter().all(|s| *position.of_mut(*s) >= whole.stream(*s).len))
            {
                return Ok(None);
            }
            if self.unordered {
                return self.rest(store, position).await;
            }
            let Some(run) = self.run.filter(|run| run.len > 0) else {
                match self.log.next(store, self.key).await? {
                    Some(OutputSegment { len: 0, .. }) => self.unordered = true,
                    Some(run) => self.run = Some(run),
                    None if closed => self.unordered = true,
                    None => return Ok(None),
                }
                continue;
            };
            let offset = *position.of_mut(run.stream);
            if self.passed[run.stream as usize] < offset {
                self.pass(store, run, offset).await?;
                continue;
            }
            match self.read(store, run.stream, position, run.len).await? {
                Some(Step::Bytes { stream, slice, .. }) => {
                    let taken = slice.bytes.len() as u64;
                    self.passed[stream as usize] = slice.offset + taken;
                    self.run = Some(OutputSegment { len: run.len - taken, ..run });
                    return Ok(Some(Step::Bytes { stream, slice, since: Some(run.since) }));
                }
                Some(Step::Gap(stream, gap)) => {
                    self.passed[stream as usize] = gap.end;
                    return Ok(Some(Step::Gap(stream, gap)));
                }
                // Bytes that were ordered and did not arrive.
                None if closed => self.run = None,
                None => return Ok(None),
            }
        }
    }

    /// Goes past what is known of a run. A run does not reach over a gap.
    async fn pass(&mut self, store: &dyn Store, run: OutputSegment, offset: u64) -> Result<(), StoreError> {
        let gaps = match self.gaps {
            Some(gaps) => gaps,
            None => {
                let summary = store.output_summary(self.key).await?;
                *self.gaps.insert(Stream::BOTH.map(|stream| summary.stream(stream).gap))
            }
        };
        let passed = &mut self.passed[run.stream as usize];
        let mut known = run.len.min(offset - *passed);
        match gaps[run.stream as usize] {
            Some(gap) if *passed == gap.start => {
                *passed = gap.end;
                return Ok(());
            }
            Some(gap) if *passed < gap.start => known = known.min(gap.start - *passed),
            _ => {}
        }
        *passed += known;
        self.run = Some(OutputSegment { len: run.len - known, ..run });
        Ok(())
    }

    /// What the log tells nothing of: stdout first.
    async fn rest(&mut self, store: &dyn Store, position: &mut OutputPosition) -> Result<Option<Step>, StoreError> {
        for stream in Stream::BOTH {
            if let Some(step) = self.read(store, stream, position, u64::MAX).await? {
                return Ok(Some(step));
            }
            // A gap that nothing comes after: the cap cut everything up to the end.
            let start = *position.of_mut(stream);
            if let Some(end) = self.whole.map(|whole| whole.stream(stream).len).filter(|end| *end > start) {
                *position.of_mut(stream) = end;
                return Ok(Some(Step::Gap(stream, Gap { start, end })));
            }
        }
        Ok(None)
    }

    /// Reads a stream on, at most so much of it, or steps over its gap.
    async fn read(
        &mut self,
        store: &dyn Store,
        stream: Stream,
        position: &mut OutputPosition,
        limit: u64,
    ) -> Result<Option<Step>, StoreError> {
        let (ahead, start) = (&mut self.ahead[stream as usize], position.of_mut(stream));
        if ahead.bytes.is_empty() || ahead.offset != *start {
            *ahead = store.read_output(self.key, stream, *start, PIECE).await?;
        }
        if ahead.bytes.is_empty() {
            return Ok(None);
        }
        if ahead.offset > *start {
            let gap = Gap { start: *start, end: ahead.offset };
            *start = gap.end;
            return Ok(Some(Step::Gap(stream, gap)));
        }
        let len = usize::try_from(limit).unwrap_or(usize::MAX).min(ahead.bytes.len());
        let slice = OutputSlice { offset: ahead.offset, bytes: ahead.bytes.split_to(len) };
        ahead.offset += len as u64;
        *start = ahead.offset;
        Ok(Some(Step::Bytes { stream, slice, since: None }))
    }
}

/// The log of the order, read piece by piece.
#[derive(Debug, Default)]
struct Log {
    /// Where the next piece begins.
    offset: u64,
    /// What was read and not decoded.
    bytes: Bytes,
    last: Millis,
}

impl Log {
    /// The next run; nothing when there is none by now.
    async fn next(&mut self, store: &dyn Store, key: AttemptKey) -> Result<Option<OutputSegment>, StoreError> {
        if let Some(run) = self.decode() {
            return Ok(Some(run));
        }
        let more = store.read_interleaving(key, self.offset, PIECE).await?;
        if more.is_empty() {
            return Ok(None);
        }
        self.offset += more.len() as u64;
        self.bytes = if self.bytes.is_empty() { more } else { [&self.bytes[..], &more].concat().into() };
        Ok(self.decode())
    }

    fn decode(&mut self) -> Option<OutputSegment> {
        let mut rest = &self.bytes[..];
        let run = OutputSegment::decode(&mut rest, self.last)?;
        let taken = self.bytes.len() - rest.len();
        self.bytes = self.bytes.slice(taken..);
        self.last = run.since;
        Some(run)
    }
}

//! In which order the output of an attempt came: runs, joined while they can be, kept and sent as output is.

use std::collections::VecDeque;

use super::{
    disk::SpoolDisk,
    piece::{Piece, TAIL},
    stream::StreamSpool,
};
use crate::domain::{Millis, OutputSegment, Stream};

/// What of one stream comes within this time is one run.
const JOIN: u64 = 10;
/// The log may take this part of what the cap allows for output; no program that prints whole lines reaches it.
const SHARE: u64 = 8;
/// The log may take so much in any case.
const LEAST: u64 = 64 << 10;
/// Of how many runs of the tails the order is kept.
const TAIL_RUNS: usize = 8 << 10;

/// The log of one attempt.
#[derive(Debug)]
pub(super) struct Order {
    log: StreamSpool,
    len: u64,
    limit: u64,
    /// When the last run in the log came.
    last: Millis,
    /// The newest run, while more may join it.
    open: Option<OutputSegment>,
    /// The runs of the last bytes of both streams, beyond the cap.
    tail: VecDeque<OutputSegment>,
    tail_len: [u64; 2],
    /// Nothing is added any more.
    closed: bool,
}

impl Order {
    pub(super) fn new(output_cap: u64) -> Self {
        Self {
            log: StreamSpool::default(),
            len: 0,
            limit: (output_cap / SHARE).max(LEAST),
            last: Millis(0),
            open: None,
            tail: VecDeque::new(),
            tail_len: [0; 2],
            closed: false,
        }
    }

    /// Notes bytes that were kept of the head.
    pub(super) fn head(&mut self, run: OutputSegment, disk: &dyn SpoolDisk) {
        match &mut self.open {
            Some(open) if joins(*open, run) => open.len += run.len,
            _ => {
                self.flush(disk);
                self.open = Some(run);
            }
        }
    }

    /// Notes bytes beyond the head.
    pub(super) fn tail(&mut self, run: OutputSegment) {
        if self.closed {
            return;
        }
        self.tail_len[run.stream as usize] += run.len;
        match self.tail.back_mut() {
            Some(last) if joins(*last, run) => last.len += run.len,
            _ => self.tail.push_back(run),
        }
        while let Some(first) = self.tail.front().copied() {
            let left = self.tail_len[first.stream as usize] - first.len;
            if left < TAIL as u64 && self.tail.len() <= TAIL_RUNS {
                break;
            }
            self.tail_len[first.stream as usize] = left;
            self.tail.pop_front();
        }
    }

    /// Puts what was noted of the head into the log, so that it can be sent.
    pub(super) fn flush(&mut self, disk: &dyn SpoolDisk) {
        if let Some(run) = self.open.take() {
            self.write(run, disk);
        }
    }

    /// Nothing more will come, and so much is kept of both tails: puts them into the log.
    pub(super) fn finish(&mut self, kept: [u64; 2], disk: &dyn SpoolDisk) {
        self.flush(disk);
        let began = self.tail.front().map_or(self.last, |run| run.since);
        for stream in Stream::BOTH {
            let (kept, known) = (kept[stream as usize], &mut self.tail_len[stream as usize]);
            // What the ring has dropped of the first runs.
            let mut excess = known.saturating_sub(kept);
            for run in self.tail.iter_mut().filter(|run| run.stream == stream) {
                let cut = run.len.min(excess);
                run.len -= cut;
                excess -= cut;
            }
            if kept > *known {
                self.tail.push_front(OutputSegment { stream, len: kept - *known, since: began });
            }
        }
        for run in std::mem::take(&mut self.tail) {
            if run.len > 0 {
                self.write(run, disk);
            }
        }
        self.closed = true;
    }

    fn write(&mut self, run: OutputSegment, disk: &dyn SpoolDisk) {
        if self.closed {
            return;
        }
        let mut bytes = Vec::with_capacity(8);
        run.encode(self.last, &mut bytes);
        if self.len + bytes.len() as u64 > self.limit {
            bytes.clear();
            OutputSegment { len: 0, ..run }.encode(self.last, &mut bytes);
            self.closed = true;
        }
        self.last = self.last.max(run.since);
        let kept = self.log.push_head(&bytes, disk);
        self.len += kept as u64;
        self.closed |= kept < bytes.len();
    }

    pub(super) const fn log(&self) -> &StreamSpool {
        &self.log
    }

    pub(super) const fn log_mut(&mut self) -> &mut StreamSpool {
        &mut self.log
    }

    pub(super) fn next_piece(&mut self, max: usize) -> Option<Piece> {
        self.log.next_piece(max)
    }
}

fn joins(open: OutputSegment, run: OutputSegment) -> bool {
    open.stream == run.stream && run.since.0.saturating_sub(open.since.0) < JOIN
}

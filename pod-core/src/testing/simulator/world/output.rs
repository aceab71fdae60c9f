//! What the store holds of an attempt that has ended, against what its program printed.

use super::{super::content, Step, World, now_or_never};
use crate::{
    domain::{AttemptKey, AttemptOutcome, Millis, OutputSegment, Stream},
    store::OutputStore,
};

/// So much of the end of a stream is kept beyond the cap.
const TAIL: u64 = 1 << 20;
/// More than any log of an order has.
const ALL: usize = 1 << 30;

impl World {
    /// Looks at every attempt that has ended since the last call.
    pub(super) fn check_output(&mut self) -> Step {
        for (key, end) in self.checker.take_ended() {
            match end {
                AttemptOutcome::Terminated => self.report.stopped += 1,
                AttemptOutcome::TimedOut => self.report.timed_out += 1,
                _ => {}
            }
            // Who gave such an attempt up had not heard all of it.
            let is_complete =
                !matches!(end, AttemptOutcome::Lost | AttemptOutcome::WorkerLeft | AttemptOutcome::Recalled);
            self.output_is_right(key, is_complete).map_err(|error| format!("{key} ended as {end:?}: {error}"))?;
        }
        Ok(())
    }

    fn output_is_right(&mut self, key: AttemptKey, is_complete: bool) -> Step {
        let summary = now_or_never(self.store.output_summary(key)).map_err(|error| error.to_string())?;
        let (printed, small_disk) = self.ledger.run(key).map_or(([0; 2], false), |run| (run.printed, run.small_disk));
        let mut kept = [0; 2];
        for stream in Stream::BOTH {
            let (of, printed) = (summary.stream(stream), printed[stream as usize]);
            if of.len > printed || (is_complete && of.len < printed) {
                return Err(format!("{} bytes of {stream:?} are stored, and {printed} were printed", of.len));
            }
            if printed == 0 {
                continue;
            }
            self.report.streams += 1;
            kept[stream as usize] = self.bytes_are_right(key, stream)?;
            let Some(gap) = of.gap else {
                if kept[stream as usize] != of.len {
                    return Err(format!("{} of {} bytes of {stream:?} can be read", kept[stream as usize], of.len));
                }
                continue;
            };
            self.report.gaps += 1;
            // The cap is that of both streams together; what the other one has in front of its own gap is in its length.
            let other = summary.stream(if stream == Stream::Stdout { Stream::Stderr } else { Stream::Stdout }).len;
            let reached_cap = gap.start + other >= self.luck.output_cap;
            if !(reached_cap || small_disk) || of.len - gap.end < TAIL {
                return Err(format!("{stream:?} has the gap {gap:?}, which nothing called for"));
            }
        }
        if is_complete { self.order_is_right(key, kept) } else { Ok(()) }
    }

    /// Every byte is the one that was printed there. Gives how many there are.
    fn bytes_are_right(&self, key: AttemptKey, stream: Stream) -> Step<u64> {
        let Some(source) = self.ledger.source(key) else { return Err("it never ran".to_owned()) };
        let (mut at, mut count) = (0, 0);
        loop {
            let slice =
                now_or_never(self.store.read_output(key, stream, at, ALL)).map_err(|error| error.to_string())?;
            if slice.bytes.is_empty() {
                return Ok(count);
            }
            if let Some(wrong) = content::first_wrong(source, stream, slice.offset, &slice.bytes) {
                return Err(format!("byte {wrong} of {stream:?} is not the one that was printed there"));
            }
            count += slice.bytes.len() as u64;
            at = slice.offset + slice.bytes.len() as u64;
        }
    }

    /// The log of the order is of all bytes that are kept, and where none is missing it tells the order in which they
    /// were printed.
    fn order_is_right(&self, key: AttemptKey, kept: [u64; 2]) -> Step {
        let Some(run) = self.ledger.run(key) else { return Ok(()) };
        let log = now_or_never(self.store.read_interleaving(key, 0, ALL)).map_err(|error| error.to_string())?;
        let (mut rest, mut last, mut told) = (&log[..], Millis(0), [0; 2]);
        let mut pieces: Vec<(Stream, u64)> = Vec::new();
        while let Some(next) = OutputSegment::decode(&mut rest, last) {
            if next.len == 0 {
                return Ok(()); // it could not be kept up
            }
            last = next.since;
            told[next.stream as usize] += next.len;
            match pieces.last_mut() {
                Some((stream, joined)) if *stream == next.stream => *joined += next.len,
                _ => pieces.push((next.stream, next.len)),
            }
        }
        // A disk that is full has no room for the log either.
        if told != kept && !run.small_disk {
            return Err(format!("the log of the order tells of {told:?} bytes, and {kept:?} are kept"));
        }
        let whole = run.printed.iter().sum::<u64>() <= self.luck.output_cap && !run.small_disk;
        if whole && pieces != run.pieces {
            return Err("the log tells another order than that in which the program printed".to_owned());
        }
        Ok(())
    }
}

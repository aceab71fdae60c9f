//! In which order, and when, the pieces of both streams of a program came.
//!
//! Beside the bytes of an attempt, a log of *runs* is kept: so many bytes of this stream, then so many of that one, each
//! with the time it came. What is known is the order in which the two pipes were read; what a program prints to both
//! within a fraction of a millisecond may have been printed in another one.

use super::{output::Stream, time::Millis};

/// The next so many bytes of a stream, which came together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputSegment {
    /// Which stream.
    pub stream: Stream,
    /// How many bytes; none in the last run of a log that could not be kept up: no order is known behind it.
    pub len: u64,
    /// When the first of them came, since the beginning of the attempt. Never less than that of the run before.
    pub since: Millis,
}

impl OutputSegment {
    /// Appends it to a log whose last run came at `last`: a run is two numbers of 7 bits to a byte, its length with
    /// the stream, and the time since the run before it.
    pub fn encode(self, last: Millis, log: &mut Vec<u8>) {
        put(self.len << 1 | u64::from(self.stream == Stream::Stderr), log);
        put(self.since.0.saturating_sub(last.0), log);
    }

    /// Takes the first run of a log, the run before which came at `last`; nothing where the log ends within it.
    pub fn decode(log: &mut &[u8], last: Millis) -> Option<Self> {
        let mut rest = *log;
        let (head, delta) = (take(&mut rest)?, take(&mut rest)?);
        *log = rest;
        let stream = if head & 1 == 0 { Stream::Stdout } else { Stream::Stderr };
        Some(Self { stream, len: head >> 1, since: Millis(last.0.saturating_add(delta)) })
    }
}

fn put(mut number: u64, log: &mut Vec<u8>) {
    while number > 0x7f {
        log.push(number as u8 | 0x80);
        number >>= 7;
    }
    log.push(number as u8);
}

fn take(log: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = log.split_first()?;
        *log = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_log_reads_back(runs in prop::collection::vec((any::<bool>(), 0_u64..1 << 62, 0_u64..1 << 40), 0..50)) {
            let (mut log, mut last, mut expected) = (Vec::new(), Millis(0), Vec::new());
            for (is_stderr, len, delta) in runs {
                let stream = if is_stderr { Stream::Stderr } else { Stream::Stdout };
                let run = OutputSegment { stream, len, since: Millis(last.0 + delta) };
                run.encode(last, &mut log);
                last = run.since;
                expected.push(run);
            }
            for end in [log.len(), log.len().saturating_sub(1)] {
                let (mut rest, mut last, mut read) = (&log[..end], Millis(0), Vec::new());
                while let Some(run) = OutputSegment::decode(&mut rest, last) {
                    last = run.since;
                    read.push(run);
                }
                let whole = if end == log.len() { expected.len() } else { expected.len() - 1 };
                prop_assert_eq!(&read, &expected[..whole]);
            }
        }
    }

    #[test]
    fn a_short_run_is_two_bytes() {
        let mut log = Vec::new();
        OutputSegment { stream: Stream::Stderr, len: 6, since: Millis(103) }.encode(Millis(100), &mut log);
        assert_eq!(log, [13, 3]);
        assert_eq!(OutputSegment::decode(&mut &[0x80_u8; 20][..], Millis(0)), None, "what is no number ends it");
    }
}

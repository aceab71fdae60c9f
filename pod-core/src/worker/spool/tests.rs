//! What arrives at the manager equals what the program printed, but for one gap per stream.

use super::piece::{MEMORY, TAIL};
use proptest::prelude::*;

use super::*;

/// A manager that keeps what it is sent, as a store does.
#[derive(Default)]
struct Received {
    bytes: Vec<u8>,
    tail: Option<(u64, Vec<u8>)>,
}

impl Received {
    fn take(&mut self, piece: &Piece) {
        let offset = usize::try_from(piece.offset).unwrap();
        assert!(offset <= self.bytes.len(), "a hole: {} bytes are there, {offset} came", self.bytes.len());
        let known = (self.bytes.len() - offset).min(piece.bytes.len());
        assert_eq!(self.bytes[offset..offset + known], piece.bytes[..known], "sent again with other bytes");
        self.bytes.extend_from_slice(&piece.bytes[known..]);
    }

    fn check(&self, printed: &[u8]) {
        assert_eq!(self.bytes, printed[..self.bytes.len()], "the head is exact");
        match &self.tail {
            None => assert_eq!(self.bytes.len(), printed.len(), "nothing is missing without a gap"),
            Some((offset, tail)) => {
                let offset = usize::try_from(*offset).unwrap();
                assert!(offset >= self.bytes.len(), "the tail begins where the head ends, or later");
                assert_eq!(tail, &printed[offset..], "the tail is exact");
                assert!(tail.len() == TAIL || offset == self.bytes.len(), "the gap is no longer than it must be");
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Print(Stream, usize),
    Send(Stream, usize),
    Acknowledge(Stream, u8),
    Reconnect,
}

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (stream(), 1_usize..300_000).prop_map(|(stream, length)| Step::Print(stream, length)),
        2 => (stream(), 1_usize..50).prop_map(|(stream, length)| Step::Print(stream, length)),
        4 => (stream(), 1_usize..200_000).prop_map(|(stream, max)| Step::Send(stream, max)),
        3 => (stream(), any::<u8>()).prop_map(|(stream, share)| Step::Acknowledge(stream, share)),
        1 => Just(Step::Reconnect),
    ]
}

/// Bytes that differ at every place within reach of a mistake.
fn printed(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn run(steps: &[Step], cap: u64, disk_size: usize) {
    let disk = SpoolMemory::new(disk_size);
    let mut spool = Spool::new(cap);
    let mut program: [Vec<u8>; 2] = Default::default();
    let mut received: [Received; 2] = Default::default();
    let mut log = Received::default();
    let mut since = 0;
    let mut prints = Vec::new();
    for step in steps {
        match *step {
            Step::Print(stream, length) => {
                let bytes = printed(program[stream as usize].len(), length);
                since += (length % 23) as u64;
                spool.push(stream, &bytes, Millis(since), &disk);
                prints.push(OutputSegment { stream, len: length as u64, since: Millis(since) });
                program[stream as usize].extend_from_slice(&bytes);
            }
            Step::Send(stream, max) => {
                spool.flush_order(&disk);
                if let Some(piece) = spool.next_order(max) {
                    log.take(&piece);
                }
                if let Some(piece) = spool.next_piece(stream, max) {
                    assert!(!piece.bytes.is_empty() && piece.bytes.len() <= max);
                    received[stream as usize].take(&piece);
                }
            }
            Step::Acknowledge(stream, share) => {
                // An acknowledgement of an earlier link may be ahead of what this one carried.
                let there = received[stream as usize].bytes.len() as u64;
                spool.acknowledge(stream, there * u64::from(share) / 255);
                spool.acknowledge_order(log.bytes.len() as u64 * u64::from(share) / 255);
            }
            Step::Reconnect => spool.rewind(),
        }
        for stream in Stream::BOTH {
            let stream = spool.of(stream);
            assert!(stream.kept_in_memory() <= MEMORY + TAIL, "memory is bounded");
        }
    }
    // The end comes over one more link, on which everything is delivered and acknowledged.
    spool.finish(&disk);
    spool.rewind();
    while let Some(piece) = spool.next_order(64 << 10) {
        log.take(&piece);
    }
    for stream in Stream::BOTH {
        let there = &mut received[stream as usize];
        loop {
            if let Some(rest) = spool.take_rest(stream, 16 << 10) {
                there.take(&rest);
                break;
            }
            match spool.next_piece(stream, 64 << 10) {
                Some(piece) => there.take(&piece),
                None => spool.acknowledge(stream, there.bytes.len() as u64),
            }
        }
        there.tail = spool.tail(stream).map(|piece| (piece.offset, piece.bytes.to_vec()));
        there.check(&program[stream as usize]);
    }
    let head: usize = received.iter().map(|there| there.bytes.len()).sum();
    let total: usize = program.iter().map(Vec::len).sum();
    assert!(head as u64 <= cap, "the head keeps to the cap");
    if disk_size >= total {
        assert_eq!(head as u64, cap.min(total as u64), "the head is as long as the cap allows");
        check_order(&runs_of(&log.bytes), &received, &prints);
    }
}

fn runs_of(mut log: &[u8]) -> Vec<OutputSegment> {
    let (mut runs, mut last) = (Vec::new(), Millis(0));
    while let Some(run) = OutputSegment::decode(&mut log, last) {
        last = run.since;
        runs.push(run);
    }
    assert!(log.is_empty(), "the log ends with a run");
    runs
}

/// The runs are of the bytes that are kept, no more and no less, in the order in which they were printed.
fn check_order(runs: &[OutputSegment], received: &[Received; 2], prints: &[OutputSegment]) {
    // Of each byte that is kept: which print it was of.
    let kept = Stream::BOTH.map(|stream| {
        let of = prints.iter().enumerate().filter(|(_, print)| print.stream == stream);
        let bytes: Vec<usize> = of.flat_map(|(at, print)| vec![at; print.len as usize]).collect();
        let there = &received[stream as usize];
        let tail = there.tail.as_ref().map_or(bytes.len(), |(offset, _)| usize::try_from(*offset).unwrap());
        [&bytes[..there.bytes.len()], &bytes[tail..]].concat()
    });
    let mut at = [0; 2];
    let mut last = 0;
    for run in runs {
        let from = &mut at[run.stream as usize];
        let to = *from + usize::try_from(run.len).unwrap();
        let bytes = &kept[run.stream as usize][*from..to];
        *from = to;
        assert!(*bytes.first().unwrap() >= last, "printed later than what stands before it");
        assert!(prints[bytes[0]].since.0.abs_diff(run.since.0) < 23, "the time is when it was printed");
        last = *bytes.last().unwrap();
    }
    assert_eq!(at, [kept[0].len(), kept[1].len()], "as many bytes as are kept");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_manager_gets_what_the_program_printed_but_for_one_gap(
        steps in prop::collection::vec(step(), 1..60),
        cap in prop_oneof![0_u64..2_000, 0_u64..4_000_000, Just(u64::MAX)],
        disk in prop_oneof![Just(0_usize), 0_usize..1_000_000, Just(1_usize << 30)],
    ) {
        run(&steps, cap, disk);
    }
}

#[test]
fn a_flood_keeps_head_and_tail_and_stays_in_bounds() {
    let steps: Vec<Step> = (0..100).flat_map(|_| [Step::Print(Stream::Stdout, 100_000)]).collect();
    run(&steps, 3_000_000, 1 << 30);
}

#[test]
fn a_full_disk_counts_as_the_cap() {
    let mut spool = Spool::new(u64::MAX);
    let disk = SpoolMemory::new(10);
    spool.push(Stream::Stdout, &vec![b'a'; MEMORY], Millis(0), &disk);
    spool.push(Stream::Stdout, &[b'b'; 20], Millis(0), &disk);
    spool.push(Stream::Stderr, b"after the cut", Millis(0), &disk);
    let rest: usize = std::iter::from_fn(|| spool.next_piece(Stream::Stdout, 1 << 20)).map(|p| p.bytes.len()).sum();
    assert_eq!(rest, MEMORY + 10);
    let tail = spool.tail(Stream::Stdout).unwrap();
    assert_eq!((tail.offset, tail.bytes.len()), (MEMORY as u64 + 10, 10));
    assert_eq!(&spool.tail(Stream::Stderr).unwrap().bytes[..], b"after the cut");
}

/// Who prints a byte now here, now there, has a log that is longer than what it is of: that ends, and says so.
#[test]
fn the_log_of_the_order_is_bounded() {
    let mut spool = Spool::new(600_000);
    let disk = SpoolMemory::new(1 << 30);
    for at in 0..200_000 {
        spool.push(Stream::BOTH[at % 2], b"x", Millis(at as u64), &disk);
    }
    spool.finish(&disk);
    let mut log = Vec::new();
    while let Some(piece) = spool.next_order(usize::MAX) {
        log.extend_from_slice(&piece.bytes);
        spool.acknowledge_order(log.len() as u64);
    }
    assert!((600_000 / 8 - 4..=600_000 / 8 + 4).contains(&log.len()), "{} bytes", log.len());
    let runs = runs_of(&log);
    assert_eq!(runs.iter().position(|run| run.len == 0), Some(runs.len() - 1), "only the last run has no bytes");
    let rest: usize = std::iter::from_fn(|| spool.next_piece(Stream::Stdout, 1 << 20)).map(|p| p.bytes.len()).sum();
    assert_eq!(rest, 100_000, "the output itself is whole");
}

/// A flood beyond the cap costs no memory for its order either.
#[test]
fn the_order_of_the_tails_is_bounded() {
    let mut spool = Spool::new(0);
    let disk = SpoolMemory::new(1 << 30);
    for at in 0..300_000 {
        spool.push(Stream::BOTH[at % 2], &[b'x'; 10], Millis(at as u64 / 100), &disk);
    }
    spool.finish(&disk);
    let piece = spool.next_order(usize::MAX).unwrap();
    let runs = runs_of(&piece.bytes);
    assert!(runs.len() < 10_000, "{} runs", runs.len());
    for stream in Stream::BOTH {
        let bytes: u64 = runs.iter().filter(|run| run.stream == stream).map(|run| run.len).sum();
        assert_eq!(bytes, TAIL as u64);
    }
}

#[test]
fn spool_files_leave_no_name_behind_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let disk = SpoolDirectory::new(directory.path().join("spool"));
    let mut file = disk.create().unwrap();
    assert_eq!(file.append(b"hello "), 6);
    assert_eq!(file.append(b"world"), 5);
    let mut read = [0; 5];
    file.read_at(&mut read, 6).unwrap();
    assert_eq!(&read, b"world");
    assert_eq!(std::fs::read_dir(directory.path().join("spool")).unwrap().count(), 0);
}

//! What a worker writes into the files of its manager's store, and what it only sends, is together what the program printed.

use std::{fs::File, os::unix::fs::FileExt as _, path::Path};

use proptest::prelude::*;

use super::{
    piece::{COPIED, LONG},
    *,
};
use crate::{executor::Sink, worker::spool::disk::SpoolDirectory};

#[derive(Clone, Debug)]
enum Step {
    Print(Stream, usize),
    /// One turn of an attempt, whose question is answered or not.
    Turn(bool),
    Acknowledge(Stream, u8),
    Reconnect,
    /// Its store keeps that stream in another file from the next link on, with what was acknowledged.
    Move(Stream),
}

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (stream(), 1_usize..400_000).prop_map(|(stream, length)| Step::Print(stream, length)),
        1 => (stream(), 1_usize..50).prop_map(|(stream, length)| Step::Print(stream, length)),
        6 => any::<bool>().prop_map(Step::Turn),
        3 => (stream(), any::<u8>()).prop_map(|(stream, share)| Step::Acknowledge(stream, share)),
        1 => Just(Step::Reconnect),
        1 => stream().prop_map(Step::Move),
    ]
}

fn printed(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A stream as a store keeps it.
struct Kept {
    file: File,
    told: OutputFile,
    head: u64,
    acked: u64,
}

impl Kept {
    fn at(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let file = File::options().create_new(true).read(true).write(true).open(path).unwrap();
        let found = file.metadata().unwrap();
        let told = OutputFile { path: path.to_str().unwrap().into(), device: found.dev(), inode: found.ino() };
        Self { file, told, head: 0, acked: 0 }
    }

    fn take(&mut self, from: u64, to: u64) {
        assert!(from <= self.head, "a hole: {} bytes are there, {from} came", self.head);
        assert!(self.file.metadata().unwrap().len() >= to, "it was not written");
        self.head = self.head.max(to);
    }

    fn bytes(&self, to: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(to).unwrap()];
        self.file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }
}

/// An executor that writes streams itself: up to where, of each.
type Executor = [Option<u64>; 2];

/// A program prints, and its executor writes that into the store's file as far as it may, and gives the rest.
fn print(
    spool: &mut Spool,
    kept: &[Kept; 2],
    executor: &mut Executor,
    run: OutputSegment,
    bytes: &[u8],
    disk: &SpoolDirectory,
) {
    let (stream, mut bytes) = (run.stream, bytes);
    let mut at = spool.of(stream).total();
    while let Some(until) = executor[stream as usize].filter(|_| !bytes.is_empty()) {
        let (written, rest) = bytes.split_at(usize::try_from(until - at).unwrap().min(bytes.len()));
        kept[stream as usize].file.write_all_at(written, at).unwrap();
        let told = spool.wrote(OutputSegment { len: written.len() as u64, ..run }, disk);
        at += written.len() as u64;
        bytes = rest;
        for told in [told, (at == until).then(|| spool.held(stream))].into_iter().flatten() {
            executor[stream as usize] = if let Sink::UpTo(until) = told { Some(until) } else { None };
        }
    }
    if !bytes.is_empty() {
        spool.push(stream, bytes, run.since, disk);
    }
}

/// One turn of an attempt, as `collect` makes it.
fn turn(
    spool: &mut Spool,
    kept: &mut [Kept; 2],
    executor: &mut Executor,
    log: &mut u64,
    answers: bool,
    disk: &SpoolDirectory,
) {
    spool.flush_order(disk);
    if let Some(piece) = spool.next_order(64 << 10) {
        *log = (*log).max(piece.offset + piece.bytes.len() as u64);
    }
    for stream in Stream::BOTH {
        let there = &mut kept[stream as usize];
        let asks = spool.ask_for_file(stream);
        if let Some(Range { start, end }) = spool.next_written(stream) {
            there.take(start, end);
        }
        if let Some(piece) = spool.next_piece(stream, 64 << 10) {
            there.file.write_all_at(&piece.bytes, piece.offset).unwrap();
            there.take(piece.offset, piece.offset + piece.bytes.len() as u64);
        }
        if asks && answers {
            spool.write_to(stream, &there.told, disk);
        }
        if let Some(Sink::Ready(file)) = spool.sink(stream) {
            assert_eq!(file, there.told);
            if let Sink::UpTo(until) = spool.held(stream) {
                executor[stream as usize] = Some(until);
            }
        }
    }
}

fn run(steps: &[Step], cap: u64, writes: bool) {
    let directory = tempfile::tempdir().unwrap();
    let disk = SpoolDirectory::new(directory.path().join("spool")).beside_store();
    let mut spool = Spool::new(cap);
    let mut kept = Stream::BOTH.map(|stream| Kept::at(&directory.path().join(stream.as_str())));
    let mut program: [Vec<u8>; 2] = Default::default();
    let (mut log, mut moves) = (0, 0);
    let mut executor = Executor::default();
    for step in steps {
        match *step {
            Step::Print(stream, length) => {
                let bytes = printed(program[stream as usize].len(), length);
                let run = OutputSegment { stream, len: 0, since: Millis(0) };
                print(&mut spool, &kept, &mut executor, run, &bytes, &disk);
                program[stream as usize].extend_from_slice(&bytes);
            }
            Step::Turn(answers) => {
                turn(&mut spool, &mut kept, &mut executor, &mut log, answers, &disk);
                if !writes {
                    // It is one that cannot.
                    executor = Executor::default();
                }
            }
            Step::Acknowledge(stream, share) => {
                let there = &mut kept[stream as usize];
                there.acked = there.acked.max(there.head * u64::from(share) / 255);
                spool.acknowledge(stream, there.acked);
                spool.acknowledge_order(log);
            }
            Step::Reconnect => spool.rewind(),
            // What an executor writes into does not move: its program would have ended with that machine.
            Step::Move(stream) if executor[stream as usize].is_none() => {
                moves += 1;
                let there = &mut kept[stream as usize];
                let moved = Kept::at(&directory.path().join(format!("moved-{moves}")));
                moved.file.write_all_at(&there.bytes(there.acked), 0).unwrap();
                *there = Kept { head: there.acked, acked: there.acked, ..moved };
                spool.rewind();
            }
            Step::Move(_) => {}
        }
    }
    spool.finish(&disk);
    while spool.has_sendable() || !spool.rest_is_within(0) {
        turn(&mut spool, &mut kept, &mut executor, &mut log, true, &disk);
        for stream in Stream::BOTH {
            spool.acknowledge(stream, kept[stream as usize].head);
        }
        spool.acknowledge_order(log);
    }
    let mut heads = 0;
    for stream in Stream::BOTH {
        let (there, program) = (&kept[stream as usize], &program[stream as usize]);
        assert!(there.bytes(there.head) == program[..usize::try_from(there.head).unwrap()], "the head is exact");
        let tail = spool.tail(stream);
        assert_eq!(tail.is_none(), there.head == program.len() as u64, "nothing is missing without a gap");
        if let Some(tail) = tail {
            assert!(program[usize::try_from(tail.offset).unwrap()..] == tail.bytes, "the tail is exact");
        }
        heads += there.head;
    }
    let total: usize = program.iter().map(Vec::len).sum();
    let aside: u64 = spool.granted.iter().sum();
    assert!(heads <= cap && heads + aside >= cap.min(total as u64), "the head is as long as the cap allows");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn files_of_the_store_hold_what_the_program_printed(
        steps in prop::collection::vec(step(), 1..60),
        cap in prop_oneof![0_u64..2_000, 0_u64..4_000_000, 0_u64..20_000_000, Just(u64::MAX)],
        writes in any::<bool>(),
    ) {
        run(&steps, cap, writes);
    }
}

/// A spool whose stdout is long, and the file that its store has of it.
fn long(directory: &Path, disk: &SpoolDirectory) -> (Spool, Kept) {
    let mut spool = Spool::new(u64::MAX);
    spool.push(Stream::Stdout, &printed(0, LONG as usize), Millis(0), disk);
    (spool, Kept::at(&directory.join("stdout")))
}

/// The same, with stdout in that file.
fn in_store() -> (tempfile::TempDir, SpoolDirectory, Spool, Kept) {
    let directory = tempfile::tempdir().unwrap();
    let disk = SpoolDirectory::new(directory.path().join("spool")).beside_store();
    let (mut spool, kept) = long(directory.path(), &disk);
    assert!(spool.ask_for_file(Stream::Stdout));
    spool.write_to(Stream::Stdout, &kept.told, &disk);
    (directory, disk, spool, kept)
}

#[test]
fn a_flood_into_the_store_is_neither_sent_nor_kept_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let disk = SpoolDirectory::new(directory.path().join("spool")).beside_store();
    let (mut spool, kept) = long(directory.path(), &disk);
    assert!(spool.ask_for_file(Stream::Stdout));
    assert!(!spool.ask_for_file(Stream::Stdout), "it asks once on a link");
    spool.write_to(Stream::Stdout, &kept.told, &disk);
    for at in 1..=8 {
        spool.push(Stream::Stdout, &printed(at * LONG as usize, LONG as usize), Millis(0), &disk);
    }
    assert_eq!(spool.of(Stream::Stdout).kept_in_memory(), 0);
    spool.flush_order(&disk);
    assert_eq!(spool.next_written(Stream::Stdout), None, "the log of the order is told first");
    spool.next_order(usize::MAX).unwrap();
    assert_eq!(spool.next_piece(Stream::Stdout, 64 << 10), None);
    assert_eq!(spool.next_written(Stream::Stdout), Some(0..9 * LONG), "without a window");
    assert!(kept.bytes(9 * LONG) == printed(0, 9 * LONG as usize));
}

#[test]
fn another_file_at_that_path_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let disk = SpoolDirectory::new(directory.path().join("spool")).beside_store();
    let (mut spool, kept) = long(directory.path(), &disk);
    assert!(spool.ask_for_file(Stream::Stdout));
    let other = OutputFile { inode: kept.told.inode + 1, ..kept.told.clone() };
    spool.write_to(Stream::Stdout, &other, &disk);
    assert!(spool.next_piece(Stream::Stdout, 64 << 10).is_some(), "it is sent");
    assert_eq!(kept.file.metadata().unwrap().len(), 0);
}

#[test]
fn what_is_much_is_sent_before_a_file_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let disk = SpoolDirectory::new(directory.path().join("spool")).beside_store();
    let (mut spool, _) = long(directory.path(), &disk);
    spool.push(Stream::Stdout, &vec![0; COPIED as usize], Millis(0), &disk);
    assert!(!spool.ask_for_file(Stream::Stdout), "to copy it would hold the worker up");
    spool.acknowledge(Stream::Stdout, LONG);
    assert!(spool.ask_for_file(Stream::Stdout));
}

#[test]
fn what_an_executor_may_write_keeps_to_the_cap() {
    let steps: Vec<Step> =
        (0..120).flat_map(|_| [Step::Print(Stream::Stdout, 500_000), Step::Turn(true), Step::Turn(true)]).collect();
    for cap in [30_000_000, 60_000_000, u64::MAX] {
        run(&steps, cap, true);
    }
}

#[test]
fn an_executor_writes_only_while_one_stream_is_long() {
    let (_directory, disk, mut spool, kept) = in_store();
    assert_eq!(spool.sink(Stream::Stdout), Some(Sink::Ready(kept.told.clone())));
    assert_eq!(spool.sink(Stream::Stdout), None, "it is told once");
    let Sink::UpTo(until) = spool.held(Stream::Stdout) else { panic!("it may write") };
    spool.push(Stream::Stderr, &vec![0; LONG as usize], Millis(0), &disk);
    let run = OutputSegment { stream: Stream::Stdout, len: until - LONG, since: Millis(0) };
    assert_eq!(spool.wrote(run, &disk), None);
    assert_eq!(spool.held(Stream::Stdout), Sink::Over);
}

/// That it holds and that it may go on cross each other: it has gone on, and what it writes belongs to the head.
#[test]
fn a_hold_that_was_answered_before_it_came_takes_nothing_back() {
    let (_directory, disk, mut spool, _) = in_store();
    assert!(spool.sink(Stream::Stdout).is_some());
    let run = |len| OutputSegment { stream: Stream::Stdout, len, since: Millis(0) };
    let Sink::UpTo(first) = spool.held(Stream::Stdout) else { panic!("it may write") };
    let rest = 1 << 20;
    let Some(Sink::UpTo(second)) = spool.wrote(run(first - LONG - rest), &disk) else { panic!("it may go on") };
    assert_eq!(spool.wrote(run(rest), &disk), None);
    // Now it holds at the first bound, and says so before it reads of the second. Meanwhile both streams are long.
    spool.push(Stream::Stderr, &vec![0; LONG as usize], Millis(0), &disk);
    assert_eq!(spool.held(Stream::Stdout), Sink::UpTo(second));
    assert_eq!(spool.wrote(run(second - first), &disk), None);
    assert_eq!(spool.of(Stream::Stdout).head_end(), second);
    assert_eq!(spool.held(Stream::Stdout), Sink::Over);
}

/// Its file was given up while links came and went: it is told so, and waits for nothing.
#[test]
fn an_executor_that_holds_is_always_answered() {
    let (_directory, disk, mut spool, _) = in_store();
    assert!(spool.sink(Stream::Stdout).is_some());
    spool.rewind();
    spool.acknowledge(Stream::Stdout, LONG);
    assert_eq!(spool.held(Stream::Stdout), Sink::Over);
    spool.push(Stream::Stdout, b"goes on", Millis(0), &disk);
    assert_eq!(&spool.next_piece(Stream::Stdout, 100).unwrap().bytes[..], b"goes on");
}

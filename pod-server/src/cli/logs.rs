//! `pod logs`: what an execution printed.

use std::{collections::VecDeque, io, time::Duration};

use bytes::{Buf, Bytes};
use clap::Args;
use jiff::Timestamp;
use pod_core::domain::Stream;
use pod_server::client::{Client, Execution, OutputEvent, OutputEventsRequest};

use super::{
    connection::ManagerOptions,
    console::Sink,
    failure::{Exit, Failure},
    ids::execution_id,
    reconnect,
    relay::{note_gap, relay_to_end},
    times::parse_duration,
};

const EXAMPLES: &str = "\
Examples:
  pod logs 17                      What execution 17 printed so far
  pod logs 17 -f                   And what it prints until it has ended
  pod logs 17 --stdout > result    Byte for byte
  pod logs 17 --tail 20 --stderr   The last 20 lines of its stderr
  pod logs 17 --attempt 1          Of its first attempt, if it was run again
  pod logs 17 -f -t                Each line with the time it came
  pod logs 17 --since 5m           What came in the last five minutes

Both streams come in the order in which they were printed, and times are those at which lines began to come, to about \
10 ms. Where nobody knows that, as of an attempt that an older version ran, -t gives the end of the attempt with a `<` \
before it, and --since goes by that.";

/// Prints what an execution printed
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Logs {
    /// The id of the execution
    #[arg(value_name = "ID", value_parser = execution_id)]
    id: u64,

    /// Go on until it has ended
    #[arg(short, long)]
    follow: bool,

    /// Only its stdout
    #[arg(long, conflicts_with = "stderr")]
    stdout: bool,

    /// Only its stderr
    #[arg(long)]
    stderr: bool,

    /// Only the last N lines of each stream that are there now
    #[arg(long, value_name = "N")]
    tail: Option<usize>,

    /// No line that came longer ago than this: 30s, 5m, 2h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    since: Option<Duration>,

    /// Put the time at which it came before each line
    #[arg(short, long)]
    timestamps: bool,

    /// Of this attempt instead of the latest; 1 is the first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Logs {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client().await?;
        let execution = client.execution(self.id).await?;
        let everything = self.follow
            && self.attempt.is_none()
            && execution.attempt <= 1
            && self.tail.is_none()
            && self.since.is_none()
            && !(self.timestamps || self.stdout || self.stderr);
        if everything {
            // Goes on into later attempts, and outlasts a manager that is restarted.
            relay_to_end(&reconnect::for_wait(&client), self.id).await?;
            return Ok(Exit::DONE);
        }
        self.show(&client, &execution).await?;
        Ok(Exit::DONE)
    }

    async fn show(&self, client: &Client, execution: &Execution) -> Result<(), Failure> {
        let stream = if self.stdout { Some(Stream::Stdout) } else { self.stderr.then_some(Stream::Stderr) };
        let mut lines = Lines::new(self, execution)?;
        let mut request =
            OutputEventsRequest { execution: self.id, stream, attempt: self.attempt, follow: false, after: None };
        // First the output so far, or only its last lines; then what follows.
        let mut tail = self.tail.map(|lines| [Tail::new(lines), Tail::new(lines)]);
        let mut events = client.output_events(&request).await?;
        loop {
            match events.next().await? {
                OutputEvent::Bytes { stream, bytes, at } => {
                    let piece = Piece { at, bytes };
                    match &mut tail {
                        Some(tails) => tails[stream as usize].push(piece, lines.count()),
                        None => lines.write(stream, &piece).await?,
                    }
                }
                OutputEvent::Gap(stream, gap) if tail.is_none() => note_gap(self.id, stream, gap),
                OutputEvent::Gap(..) | OutputEvent::Attempt(_) => {}
                OutputEvent::Now | OutputEvent::End(_) => break,
            }
        }
        for (_, stream, piece) in tail.map(in_order).unwrap_or_default() {
            lines.write(stream, &piece).await?;
        }
        if !self.follow {
            return Ok(());
        }
        request.after = events.last_id().map(str::to_owned);
        request.follow = true;
        let mut events = client.output_events(&request).await?;
        loop {
            match events.next().await? {
                OutputEvent::Bytes { stream, bytes, at } => lines.write(stream, &Piece { at, bytes }).await?,
                OutputEvent::Gap(stream, gap) => note_gap(self.id, stream, gap),
                OutputEvent::Attempt(_) if self.attempt.is_none() => {}
                OutputEvent::Attempt(_) | OutputEvent::Now | OutputEvent::End(_) => return Ok(()),
            }
        }
    }
}

/// A piece of a stream.
struct Piece {
    /// When it came, where that is known.
    at: Option<Timestamp>,
    bytes: Bytes,
}

/// Writes lines: those that are not too old, with the time before each where that is wanted.
struct Lines {
    sinks: [Sink; 2],
    stamps: bool,
    /// Nothing that came before this.
    from: Option<Timestamp>,
    /// The time of a line of which nothing else is known.
    known_by: Timestamp,
    state: [Line; 2],
    pieces: u64,
}

/// The line of a stream that has not ended.
#[derive(Clone, Copy)]
struct Line {
    begins: bool,
    is_shown: bool,
}

impl Lines {
    fn new(logs: &Logs, execution: &Execution) -> Result<Self, Failure> {
        let from = |since: Duration| Timestamp::now().checked_sub(jiff::SignedDuration::try_from(since).ok()?).ok();
        Ok(Self {
            sinks: [Sink::of(Stream::Stdout)?, Sink::of(Stream::Stderr)?],
            stamps: logs.timestamps,
            from: logs.since.and_then(from),
            known_by: execution.finished_at.unwrap_or_else(Timestamp::now),
            state: [Line { begins: true, is_shown: true }; 2],
            pieces: 0,
        })
    }

    /// A number for the next piece.
    fn count(&mut self) -> u64 {
        self.pieces += 1;
        self.pieces
    }

    async fn write(&mut self, stream: Stream, piece: &Piece) -> io::Result<()> {
        let is_recent = self.from.is_none_or(|from| piece.at.unwrap_or(self.known_by) >= from);
        let stamp = match piece.at {
            _ if !self.stamps => String::new(),
            Some(at) => format!("{at:.3} "),
            None => format!("<{:.3} ", self.known_by),
        };
        let shown = chosen(&piece.bytes, &stamp, is_recent, &mut self.state[stream as usize]);
        if shown.is_empty() { Ok(()) } else { self.sinks[stream as usize].write(&shown).await }
    }
}

/// The lines that begin in a piece, if those are wanted, and the rest of one that was.
fn chosen(bytes: &[u8], stamp: &str, is_wanted: bool, line: &mut Line) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + stamp.len());
    for part in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.begins {
            line.is_shown = is_wanted;
        }
        if line.is_shown {
            if line.begins {
                out.extend_from_slice(stamp.as_bytes());
            }
            out.extend_from_slice(part);
        }
        line.begins = part.ends_with(b"\n");
    }
    out
}

/// The last lines of a stream, however long it is.
struct Tail {
    lines: usize,
    /// With a number each, which tells how they came among those of the other stream.
    pieces: VecDeque<(u64, Piece)>,
    /// How many newlines the pieces hold.
    newlines: usize,
}

impl Tail {
    fn new(lines: usize) -> Self {
        Self { lines, pieces: VecDeque::new(), newlines: 0 }
    }

    fn push(&mut self, piece: Piece, number: u64) {
        self.newlines += newlines(&piece.bytes);
        self.pieces.push_back((number, piece));
        // A piece may go when the others still hold the newline before the first line wanted.
        while let Some((_, first)) = self.pieces.front() {
            let held_by_others = self.newlines - newlines(&first.bytes);
            if held_by_others <= self.lines {
                break;
            }
            self.newlines = held_by_others;
            self.pieces.pop_front();
        }
    }

    fn into_pieces(mut self) -> VecDeque<(u64, Piece)> {
        let ends_open = self.pieces.back().is_some_and(|(_, last)| last.bytes.last() != Some(&b'\n'));
        let held = self.newlines + usize::from(ends_open);
        let mut surplus = held.saturating_sub(self.lines);
        while surplus > 0 {
            let Some((number, mut first)) = self.pieces.pop_front() else { break };
            while surplus > 0 {
                let Some(at) = first.bytes.iter().position(|byte| *byte == b'\n') else {
                    first.bytes = Bytes::new();
                    break;
                };
                first.bytes.advance(at + 1);
                surplus -= 1;
            }
            if !first.bytes.is_empty() {
                self.pieces.push_front((number, first));
            }
            if self.lines == 0 && surplus == 0 {
                self.pieces.clear();
            }
        }
        self.pieces
    }
}

/// The pieces of both tails as they came.
fn in_order(tails: [Tail; 2]) -> Vec<(u64, Stream, Piece)> {
    let of = |(stream, tail): (Stream, Tail)| {
        tail.into_pieces().into_iter().map(move |(number, piece)| (number, stream, piece))
    };
    let mut pieces: Vec<_> = Stream::BOTH.into_iter().zip(tails).flat_map(of).collect();
    pieces.sort_by_key(|(number, ..)| *number);
    pieces
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail_of(lines: usize, pieces: &[&'static str]) -> String {
        let mut tail = Tail::new(lines);
        for piece in pieces {
            tail.push(Piece { at: None, bytes: Bytes::from_static(piece.as_bytes()) }, 0);
        }
        tail.into_pieces().iter().map(|(_, piece)| String::from_utf8_lossy(&piece.bytes).into_owned()).collect()
    }

    #[test]
    fn the_tail_is_the_last_lines_however_they_arrive() {
        assert_eq!(tail_of(2, &["a\nb\n", "c\nd\n"]), "c\nd\n");
        assert_eq!(tail_of(2, &["a\nb", "b\nc", "c\n"]), "bb\ncc\n");
        assert_eq!(tail_of(2, &["a\nb\nc"]), "b\nc");
        assert_eq!(tail_of(9, &["a\n", "b"]), "a\nb");
        assert_eq!(tail_of(0, &["a\nb"]), "");
        assert_eq!(tail_of(1, &[]), "");
        assert_eq!(tail_of(3, &["a\n", "\n", "\n", "b\n"]), "\n\nb\n");
    }

    #[test]
    fn the_tail_of_a_long_stream_stays_small() {
        let mut tail = Tail::new(3);
        for _ in 0..10_000 {
            tail.push(Piece { at: None, bytes: Bytes::from_static(b"x\ny\n") }, 0);
        }
        assert!(tail.pieces.len() <= 4);
    }

    #[test]
    fn a_line_in_pieces_is_stamped_once_and_shown_whole_or_not() {
        let mut line = Line { begins: true, is_shown: true };
        let first = chosen(b"a\nb", "T ", true, &mut line);
        let second = chosen(b"c\nd", "U ", false, &mut line);
        let third = chosen(b"e\nf\n", "V ", true, &mut line);
        assert_eq!([first, second, third].concat(), b"T a\nT bc\nV f\n");
    }

    #[test]
    fn tails_come_in_order() {
        let mut tails = [Tail::new(1), Tail::new(2)];
        for (number, stream, text) in [(1, 0, "a\n"), (2, 1, "b\n"), (3, 0, "c\n"), (4, 1, "d\n"), (5, 0, "e\n")] {
            tails[stream].push(Piece { at: None, bytes: Bytes::from_static(text.as_bytes()) }, number);
        }
        let text: Vec<u8> = in_order(tails).into_iter().flat_map(|(_, _, piece)| piece.bytes).collect();
        assert_eq!(text, b"b\nd\ne\n");
    }
}

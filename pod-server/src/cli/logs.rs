//! `pod logs`: what an execution printed.

use std::{collections::VecDeque, io, time::Duration};

use bytes::Bytes;
use clap::Args;
use jiff::Timestamp;
use pod_core::domain::Stream;
use pod_server::client::{Client, Execution, OutputRequest};

use super::{
    connection::ManagerOptions,
    console::Sink,
    failure::{Exit, Failure},
    ids::execution_id,
    relay::relay_to_end,
    times::parse_duration,
};

const EXAMPLES: &str = "\
Examples:
  pod logs 17                      What execution 17 printed so far
  pod logs 17 -f                   And what it prints until it has ended
  pod logs 17 --stdout > result    Byte for byte
  pod logs 17 --tail 20 --stderr   The last 20 lines of its stderr
  pod logs 17 --attempt 1          Of its first attempt, if it was run again
  pod logs 17 -f -t                Each line with the time it was seen

POD keeps the times at which an attempt began and ended, not those of single lines. So -t gives a line that was \
printed earlier the end of its attempt, or the time at which it was read, with a `<` before it; and --since leaves out \
an attempt that ended before that time, as a whole.";

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

    /// Nothing of an attempt that ended longer ago than this: 30s, 5m, 2h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    since: Option<Duration>,

    /// Put the time before each line
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
        let client = self.manager.client()?;
        let execution = client.execution(self.id).await?;
        let everything = self.follow
            && self.attempt.is_none()
            && execution.attempt <= 1
            && self.tail.is_none()
            && self.since.is_none()
            && !(self.timestamps || self.stdout || self.stderr);
        if everything {
            // Goes on into later attempts, and outlasts a manager that is restarted.
            relay_to_end(&client, self.id).await?;
            return Ok(Exit::DONE);
        }
        if self.is_too_old(&execution) {
            return Ok(Exit::DONE);
        }
        let (stdout, stderr) = (!self.stderr, !self.stdout);
        tokio::try_join!(
            self.show(&client, &execution, Stream::Stdout, stdout),
            self.show(&client, &execution, Stream::Stderr, stderr),
        )?;
        Ok(Exit::DONE)
    }

    fn is_too_old(&self, execution: &Execution) -> bool {
        let (Some(since), Some(finished)) = (self.since, execution.finished_at) else { return false };
        let age = Timestamp::now().as_millisecond() - finished.as_millisecond();
        u128::try_from(age).is_ok_and(|age| age > since.as_millis())
    }

    async fn show(
        &self,
        client: &Client,
        execution: &Execution,
        stream: Stream,
        is_wanted: bool,
    ) -> Result<(), Failure> {
        if !is_wanted {
            return Ok(());
        }
        let mut request = OutputRequest { execution: self.id, stream, attempt: self.attempt, offset: 0, follow: false };
        let mut lines = Lines { sink: Sink::of(stream)?, stamps: self.timestamps, begins_line: true };
        let known_by = execution.finished_at.unwrap_or_else(Timestamp::now);
        let mut tail = self.tail.map(Tail::new);
        let mut output = client.output(request).await?;
        let gap = output.gap();
        let mut taken: u64 = 0;
        while let Some(bytes) = output.next().await? {
            taken += bytes.len() as u64;
            match &mut tail {
                Some(tail) => tail.push(bytes),
                None => lines.write(&bytes, &format!("<{known_by:.3} ")).await?,
            }
        }
        for bytes in tail.into_iter().flat_map(Tail::into_pieces) {
            lines.write(&bytes, &format!("<{known_by:.3} ")).await?;
        }
        if !self.follow {
            return Ok(());
        }
        let skipped = gap.filter(|gap| taken >= gap.start).map_or(0, |gap| gap.end - gap.start);
        request.offset = taken + skipped;
        request.follow = true;
        let mut output = client.output(request).await?;
        while let Some(bytes) = output.next().await? {
            lines.write(&bytes, &format!("{:.3} ", Timestamp::now())).await?;
        }
        Ok(())
    }
}

/// Writes lines, with the time before each where that is wanted.
struct Lines {
    sink: Sink,
    stamps: bool,
    begins_line: bool,
}

impl Lines {
    async fn write(&mut self, bytes: &[u8], stamp: &str) -> io::Result<()> {
        if !self.stamps {
            return self.sink.write(bytes).await;
        }
        let (stamped, begins_line) = stamped(bytes, stamp, self.begins_line);
        self.begins_line = begins_line;
        self.sink.write(&stamped).await
    }
}

fn stamped(bytes: &[u8], stamp: &str, mut begins_line: bool) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(bytes.len() + stamp.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if begins_line {
            out.extend_from_slice(stamp.as_bytes());
        }
        out.extend_from_slice(line);
        begins_line = line.ends_with(b"\n");
    }
    (out, begins_line)
}

/// The last lines of a stream, however long it is.
struct Tail {
    lines: usize,
    pieces: VecDeque<Bytes>,
    /// How many newlines the pieces hold.
    newlines: usize,
}

impl Tail {
    fn new(lines: usize) -> Self {
        Self { lines, pieces: VecDeque::new(), newlines: 0 }
    }

    fn push(&mut self, bytes: Bytes) {
        self.newlines += newlines(&bytes);
        self.pieces.push_back(bytes);
        // A piece may go when the others still hold the newline before the first line wanted.
        while let Some(first) = self.pieces.front() {
            let held_by_others = self.newlines - newlines(first);
            if held_by_others <= self.lines {
                break;
            }
            self.newlines = held_by_others;
            self.pieces.pop_front();
        }
    }

    fn into_pieces(mut self) -> VecDeque<Bytes> {
        let ends_open = self.pieces.back().is_some_and(|last| last.last() != Some(&b'\n'));
        let held = self.newlines + usize::from(ends_open);
        let mut surplus = held.saturating_sub(self.lines);
        while surplus > 0 {
            let Some(mut first) = self.pieces.pop_front() else { break };
            while surplus > 0 {
                let Some(at) = first.iter().position(|byte| *byte == b'\n') else {
                    first = Bytes::new();
                    break;
                };
                first = first.slice(at + 1..);
                surplus -= 1;
            }
            if !first.is_empty() {
                self.pieces.push_front(first);
            }
            if self.lines == 0 && surplus == 0 {
                self.pieces.clear();
            }
        }
        self.pieces
    }
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
            tail.push(Bytes::from_static(piece.as_bytes()));
        }
        tail.into_pieces().iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
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
            tail.push(Bytes::from_static(b"x\ny\n"));
        }
        assert!(tail.pieces.len() <= 4);
    }

    #[test]
    fn a_line_in_pieces_is_stamped_once() {
        let (first, open) = stamped(b"a\nb", "T ", true);
        let (second, open) = stamped(b"c\n", "T ", open);
        assert!(open);
        assert_eq!([first, second].concat(), b"T a\nT bc\n");
    }
}

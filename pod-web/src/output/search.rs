//! Looking for text in the whole output, line by line, in one pass. It ends when enough was found, and when who asked
//! has gone: the pass is a future that is dropped then.

use std::ops::ControlFlow;

use memchr::memmem::Finder;
use pod_core::{Pod, PodError, domain::Stream};

use super::{
    index::{Lines, Shown, Step, ends, walk},
    place::{Place, index},
};

/// At most so many lines are told.
pub(crate) const MOST_FOUND: usize = 200;
/// Of a longer line, only the beginning is looked through.
const LINE: usize = 1 << 20;
/// How much of a line is shown on each side.
const AROUND: usize = 80;

/// A line that holds the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its number.
    pub(crate) line: u64,
    /// What stands before the text, the text, and what stands behind it.
    pub(crate) pieces: [String; 3],
}

/// The lines that hold a text, without regard to case where it is written small.
pub(crate) async fn search(pod: &Pod, shown: Shown, text: &str) -> Result<Vec<Found>, PodError> {
    let ends = ends(pod, shown).await?;
    let mut search = Search::new(shown, text);
    let start = Place::start(shown.attempt, shown.view);
    walk(pod, shown.id, start, ends, |step| match step {
        Step::Bytes(stream, bytes, _) => search.push(stream, bytes),
        Step::Gap(stream, gap) => {
            let flow = search.end_line(stream);
            search.lines.gap(stream, gap);
            flow
        }
    })
    .await?;
    for stream in Stream::BOTH {
        let _ = search.end_line(stream);
    }
    Ok(search.found)
}

struct Search {
    lines: Lines,
    pending: [Vec<u8>; 2],
    finder: Finder<'static>,
    any_case: bool,
    len: usize,
    found: Vec<Found>,
}

impl Search {
    fn new(shown: Shown, text: &str) -> Self {
        let any_case = !text.chars().any(char::is_uppercase);
        Self {
            lines: Lines::at(Place::start(shown.attempt, shown.view)),
            pending: [Vec::new(), Vec::new()],
            finder: Finder::new(text).into_owned(),
            any_case,
            len: text.len(),
            found: Vec::new(),
        }
    }

    fn push(&mut self, stream: Stream, bytes: &[u8]) -> ControlFlow<()> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE.saturating_sub(self.pending[index(stream)].len());
            self.pending[index(stream)].extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = self.number(stream);
                self.look(stream, line)?;
            }
            self.lines.push(stream, piece);
        }
        ControlFlow::Continue(())
    }

    /// The number of the line that has not ended.
    fn number(&self, stream: Stream) -> u64 {
        let place = &self.lines.place;
        if place.points[index(stream)].within { place.line.saturating_sub(1) } else { place.line }
    }

    fn end_line(&mut self, stream: Stream) -> ControlFlow<()> {
        let line = self.number(stream);
        self.look(stream, line)
    }

    fn look(&mut self, stream: Stream, line: u64) -> ControlFlow<()> {
        let mut text = std::mem::take(&mut self.pending[index(stream)]);
        let found = if self.any_case { self.finder.find(&text.to_ascii_lowercase()) } else { self.finder.find(&text) };
        if let Some(at) = found {
            let (hit, end) = (at + self.len, text.len());
            let pieces = [&text[at.saturating_sub(AROUND)..at], &text[at..hit], &text[hit..end.min(hit + AROUND)]];
            self.found.push(Found { line, pieces: pieces.map(plain) });
        }
        text.clear();
        self.pending[index(stream)] = text;
        if self.found.len() >= MOST_FOUND { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|character| !character.is_control() || *character == '\t').collect()
}

#[cfg(test)]
mod tests {
    use pod_core::domain::{AttemptNo, ExecutionId};

    use super::*;
    use crate::output::View;

    fn found(text: &str, pieces: &[(Stream, &str)]) -> Vec<(u64, String)> {
        let shown = Shown { id: ExecutionId(1), attempt: AttemptNo(1), view: View::Merged };
        let mut search = Search::new(shown, text);
        for (stream, piece) in pieces {
            let _ = search.push(*stream, piece.as_bytes());
        }
        let _ = search.end_line(Stream::Stdout);
        search.found.into_iter().map(|found| (found.line, found.pieces.concat())).collect()
    }

    #[test]
    fn lines_are_found_across_pieces() {
        let out = Stream::Stdout;
        let pieces = [(out, "one\ntw"), (Stream::Stderr, "a two\n"), (out, "o\nthr"), (out, "ee Two")];
        let expected = [(2, "a two"), (3, "two"), (4, "three Two")];
        assert_eq!(found("two", &pieces), expected.map(|(line, text)| (line, text.to_owned())));
        assert_eq!(found("Two", &pieces), [(4, "three Two".to_owned())]);
        assert_eq!(found("nothing", &pieces), []);
    }

    #[test]
    fn it_ends_when_enough_is_found() {
        let many = "x\n".repeat(MOST_FOUND * 2);
        assert_eq!(found("x", &[(Stream::Stdout, &many)]).len(), MOST_FOUND);
    }
}

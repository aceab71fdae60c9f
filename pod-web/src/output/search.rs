//! Searches the whole output for text, line by line, in one pass. The pass ends after enough matches, or when its future
//! is dropped because the client is gone.

use std::ops::ControlFlow;

use memchr::memmem::Finder;
use pod_core::{Pod, PodError, domain::Stream};

use super::{
    index::{Lines, OutputItem, OutputSelection, ends, walk},
    place::{Place, index},
};

/// Matching lines that are shown.
pub(crate) const MAX_MATCHES: usize = 200;
/// Only the beginning of a longer line is searched.
const MAX_SEARCHED_LINE_LEN: usize = 1 << 20;
/// Bytes of the line on each side of a match.
const CONTEXT_LEN: usize = 80;

/// A line that holds the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SearchMatch {
    /// Its number.
    pub(crate) line: u64,
    /// What stands before the text, the text, and what stands behind it.
    pub(crate) pieces: [String; 3],
}

/// The lines that hold a text, without regard to case where it is written small.
pub(crate) async fn search(pod: &Pod, selection: OutputSelection, text: &str) -> Result<Vec<SearchMatch>, PodError> {
    let ends = ends(pod, selection).await?;
    let mut search = Search::new(selection, text);
    let start = Place::start(selection.attempt, selection.view);
    walk(pod, selection.id, start, ends, |step| match step {
        OutputItem::Bytes(stream, bytes, _) => search.push(stream, bytes),
        OutputItem::Gap(stream, gap) => {
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
    found: Vec<SearchMatch>,
}

impl Search {
    fn new(selection: OutputSelection, text: &str) -> Self {
        let any_case = !text.chars().any(char::is_uppercase);
        Self {
            lines: Lines::at(Place::start(selection.attempt, selection.view)),
            pending: [Vec::new(), Vec::new()],
            finder: Finder::new(text).into_owned(),
            any_case,
            len: text.len(),
            found: Vec::new(),
        }
    }

    fn push(&mut self, stream: Stream, bytes: &[u8]) -> ControlFlow<()> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_SEARCHED_LINE_LEN.saturating_sub(self.pending[index(stream)].len());
            self.pending[index(stream)].extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = self.number(stream);
                self.match_line(stream, line)?;
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
        self.match_line(stream, line)
    }

    fn match_line(&mut self, stream: Stream, line: u64) -> ControlFlow<()> {
        let mut text = std::mem::take(&mut self.pending[index(stream)]);
        let found = if self.any_case { self.finder.find(&text.to_ascii_lowercase()) } else { self.finder.find(&text) };
        if let Some(at) = found {
            let (hit, end) = (at + self.len, text.len());
            let pieces =
                [&text[at.saturating_sub(CONTEXT_LEN)..at], &text[at..hit], &text[hit..end.min(hit + CONTEXT_LEN)]];
            self.found.push(SearchMatch { line, pieces: pieces.map(plain) });
        }
        text.clear();
        self.pending[index(stream)] = text;
        if self.found.len() >= MAX_MATCHES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
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
        let selection = OutputSelection { id: ExecutionId(1), attempt: AttemptNo(1), view: View::Merged };
        let mut search = Search::new(selection, text);
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
        let many = "x\n".repeat(MAX_MATCHES * 2);
        assert_eq!(found("x", &[(Stream::Stdout, &many)]).len(), MAX_MATCHES);
    }
}

//! An index of lines: a place every few KiB, found in one pass over the output and cached. Later output extends it without
//! another pass over the beginning.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use pod_core::{
    OutputChunk, Pod, PodError,
    domain::{AttemptNo, ExecutionId, Gap, Stream, Timestamp},
};

use super::{
    place::{Place, View, index},
    rows::MAX_ROW_LEN,
};

/// Bytes between two indexed places.
const INDEX_INTERVAL: u64 = 32 << 10;
/// Outputs whose index is kept.
const MAX_INDEXES: usize = 32;

/// The output that a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputSelection {
    /// Of which execution.
    pub(crate) id: ExecutionId,
    /// Of which attempt.
    pub(crate) attempt: AttemptNo,
    /// Which streams.
    pub(crate) view: View,
}

type SharedIndex = Arc<tokio::sync::Mutex<Index>>;

/// The indexes of the outputs that were shown last.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    kept: Mutex<VecDeque<(OutputSelection, SharedIndex)>>,
}

impl Indexes {
    fn of(&self, selection: OutputSelection) -> SharedIndex {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|(known, _)| *known == selection).and_then(|at| kept.remove(at));
        let entry = known.unwrap_or_else(|| (selection, Arc::new(tokio::sync::Mutex::new(Index::new(selection)))));
        let index = entry.1.clone();
        kept.push_front(entry);
        kept.truncate(MAX_INDEXES);
        index
    }

    /// The places of an output as it is now, in order; the first is its beginning.
    pub(super) async fn places(&self, pod: &Pod, selection: OutputSelection) -> Result<Vec<Place>, PodError> {
        let index = self.of(selection);
        let mut index = index.lock().await;
        index.catch_up(pod, selection).await?;
        Ok(index.places.clone())
    }
}

#[derive(Debug)]
struct Index {
    places: Vec<Place>,
    lines: Lines,
}

impl Index {
    fn new(selection: OutputSelection) -> Self {
        let start = Place::start(selection.attempt, selection.view);
        Self { places: vec![start], lines: Lines::at(start) }
    }

    async fn catch_up(&mut self, pod: &Pod, selection: OutputSelection) -> Result<(), PodError> {
        let (read, ends) = (self.lines.read, ends(pod, selection).await?);
        let Self { places, lines } = self;
        walk(pod, selection.id, read, ends, |step| {
            match step {
                OutputItem::Bytes(stream, bytes, _) => {
                    // In steps, so that a large piece gives more than one place.
                    for piece in bytes.chunks(INDEX_INTERVAL as usize) {
                        lines.push(stream, piece);
                        let last = places.last().map_or(0, offsets);
                        if offsets(&lines.place) >= last + INDEX_INTERVAL {
                            places.push(lines.place);
                        }
                    }
                }
                OutputItem::Gap(stream, gap) => lines.gap(stream, gap),
            }
            ControlFlow::Continue(())
        })
        .await
    }
}

/// How far a place is, both streams together.
fn offsets(place: &Place) -> u64 {
    place.points.iter().map(|point| point.offset).sum()
}

/// Counts lines, as [`super::Rows`] numbers them, without making anything of them.
#[derive(Debug)]
pub(super) struct Lines {
    /// What was read.
    read: Place,
    /// The beginnings of the lines that have not ended.
    pub(super) place: Place,
}

impl Lines {
    pub(super) fn at(place: Place) -> Self {
        Self { read: place, place }
    }

    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let at = index(stream);
        let (read, point) = (&mut self.read.points[at], &mut self.place.points[at]);
        let mut ends = memchr::memchr_iter(b'\n', bytes);
        if let Some(last) = ends.next_back() {
            let count = ends.count() as u64 + u64::from(!point.within);
            self.place.line += count;
            point.within = false;
            point.offset = read.offset + last as u64 + 1;
        }
        read.offset += bytes.len() as u64;
        if read.offset - point.offset > MAX_ROW_LEN as u64 {
            self.place.line += u64::from(!point.within);
            point.within = true;
            point.offset = read.offset;
        }
    }

    pub(super) fn gap(&mut self, stream: Stream, gap: Gap) {
        let at = index(stream);
        let point = &mut self.place.points[at];
        if self.read.points[at].offset > point.offset && !point.within {
            self.place.line += 1;
        }
        point.within = false;
        point.offset = gap.end;
        self.read.points[at].offset = gap.end;
    }
}

/// An item of the walk through an output.
pub(super) enum OutputItem<'a> {
    /// Bytes, and when they came.
    Bytes(Stream, &'a Bytes, Option<Timestamp>),
    Gap(Stream, Gap),
}

/// How far the output of an attempt goes by now, per stream.
pub(super) async fn ends(pod: &Pod, selection: OutputSelection) -> Result<[u64; 2], PodError> {
    if selection.attempt.0 == 0 {
        return Ok([0, 0]);
    }
    let summary = pod.output_summary(selection.id, selection.attempt).await?;
    Ok(Stream::BOTH.map(|stream| if selection.view.shows(stream) { summary.stream(stream).len } else { 0 }))
}

/// Walks through the output from a place up to these ends, in the order in which it came.
pub(super) async fn walk(
    pod: &Pod,
    id: ExecutionId,
    from: Place,
    ends: [u64; 2],
    mut visit: impl FnMut(OutputItem<'_>) -> ControlFlow<()>,
) -> Result<(), PodError> {
    let mut read = from.position();
    if read.attempt.0 == 0 {
        return Ok(());
    }
    let mut follower = pod.read_available(id, read).await?;
    while read.stdout < ends[0] || read.stderr < ends[1] {
        let flow = match follower.next().await? {
            Some(OutputChunk::Bytes { stream, offset, bytes, at, position }) => {
                read = position;
                let kept = ends[index(stream)].saturating_sub(offset).min(bytes.len() as u64);
                let bytes = bytes.slice(..usize::try_from(kept).unwrap_or(bytes.len()));
                if bytes.is_empty() { ControlFlow::Continue(()) } else { visit(OutputItem::Bytes(stream, &bytes, at)) }
            }
            Some(OutputChunk::Gap { stream, gap, position }) => {
                read = position;
                visit(OutputItem::Gap(stream, gap))
            }
            Some(OutputChunk::NextAttempt(_) | OutputChunk::Ended(_)) | None => return Ok(()),
        };
        if flow.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

//! A piece of output that is there, as rows: what a page shows first, and what it loads when one scrolls on.

use std::ops::ControlFlow;

use pod_core::{Pod, PodError};

use super::{
    index::{Indexes, Shown, Step, ends, walk},
    place::Place,
    rows::Rows,
};

/// So many parts are shown at once at the end, so that the last one is not shown alone when it is short.
const AT_THE_END: usize = 2;

/// A piece of output as rows.
#[derive(Debug)]
pub(crate) struct Part {
    /// Which one it is.
    pub(crate) number: usize,
    /// The rows.
    pub(crate) html: String,
    /// The rows of what has not ended.
    pub(crate) unfinished: String,
    /// Where one goes on behind it.
    pub(crate) next: Place,
    /// The part behind it, unless it is the last one.
    pub(crate) later: Option<usize>,
}

impl Part {
    /// The part before it.
    pub(crate) fn earlier(&self) -> Option<usize> {
        self.number.checked_sub(1)
    }

    /// Whether nothing was printed.
    pub(crate) fn is_empty(&self) -> bool {
        self.html.is_empty() && self.unfinished.is_empty()
    }
}

/// How rows are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// Nothing more will come.
    pub(crate) over: bool,
    /// Each shows when it came.
    pub(crate) times: bool,
}

/// The end of the output.
pub(crate) async fn last(pod: &Pod, indexes: &Indexes, shown: Shown, how: How) -> Result<Part, PodError> {
    let places = indexes.places(pod, shown).await?;
    render(pod, shown, &places, places.len().saturating_sub(AT_THE_END), AT_THE_END, how).await
}

/// A part by its number; the last one where there are not so many.
pub(crate) async fn numbered(
    pod: &Pod,
    indexes: &Indexes,
    shown: Shown,
    number: usize,
    how: How,
) -> Result<Part, PodError> {
    let places = indexes.places(pod, shown).await?;
    render(pod, shown, &places, number.min(places.len() - 1), 1, how).await
}

/// The part that holds a line.
pub(crate) async fn with_line(
    pod: &Pod,
    indexes: &Indexes,
    shown: Shown,
    line: u64,
    how: How,
) -> Result<Part, PodError> {
    let places = indexes.places(pod, shown).await?;
    let number = places.partition_point(|place| place.line <= line).saturating_sub(1);
    // The one before and the one after too, so that the line has neighbours.
    let first = number.saturating_sub(1);
    render(pod, shown, &places, first, number - first + 2, how).await
}

async fn render(
    pod: &Pod,
    shown: Shown,
    places: &[Place],
    number: usize,
    count: usize,
    how: How,
) -> Result<Part, PodError> {
    let from = places[number];
    let behind = places.get(number + count);
    let ends = match behind {
        Some(next) => next.points.map(|point| point.offset),
        None => ends(pod, shown).await?,
    };
    let mut rows = Rows::at(from).with_times(how.times);
    walk(pod, shown.id, from, ends, |step| {
        match step {
            Step::Bytes(stream, bytes, came) => rows.push(stream, bytes, came),
            Step::Gap(stream, gap) => rows.gap(stream, gap),
        }
        ControlFlow::Continue(())
    })
    .await?;
    if behind.is_some() || how.over {
        rows.end();
    }
    let (html, _) = rows.take();
    let later = behind.map(|_| number + count);
    Ok(Part { number, html, unfinished: rows.unfinished(), next: rows.place(), later })
}

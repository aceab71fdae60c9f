//! Renders parts of the output as rows: the first one of a page, and those that it loads on scrolling.

use std::ops::ControlFlow;

use pod_core::{Pod, PodError};

use super::{
    index::{Indexes, OutputItem, OutputSelection, ends, walk},
    place::Place,
    rows::Rows,
};

/// Parts that are shown at the end of the output: the last one alone may be short.
const TAIL_PARTS: usize = 2;

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

/// How rows are rendered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RenderOptions {
    /// The output is complete.
    pub(crate) over: bool,
    /// Rows show when they came.
    pub(crate) times: bool,
}

/// The end of the output.
pub(crate) async fn last(
    pod: &Pod,
    indexes: &Indexes,
    selection: OutputSelection,
    options: RenderOptions,
) -> Result<Part, PodError> {
    let places = indexes.places(pod, selection).await?;
    render(pod, selection, &places, places.len().saturating_sub(TAIL_PARTS), TAIL_PARTS, options).await
}

/// A part by its number; the last one where there are not so many.
pub(crate) async fn numbered(
    pod: &Pod,
    indexes: &Indexes,
    selection: OutputSelection,
    number: usize,
    options: RenderOptions,
) -> Result<Part, PodError> {
    let places = indexes.places(pod, selection).await?;
    render(pod, selection, &places, number.min(places.len() - 1), 1, options).await
}

/// The part that holds a line.
pub(crate) async fn with_line(
    pod: &Pod,
    indexes: &Indexes,
    selection: OutputSelection,
    line: u64,
    options: RenderOptions,
) -> Result<Part, PodError> {
    let places = indexes.places(pod, selection).await?;
    let number = places.partition_point(|place| place.line <= line).saturating_sub(1);
    // The one before and the one after too, so that the line has neighbours.
    let first = number.saturating_sub(1);
    render(pod, selection, &places, first, number - first + 2, options).await
}

async fn render(
    pod: &Pod,
    selection: OutputSelection,
    places: &[Place],
    number: usize,
    count: usize,
    options: RenderOptions,
) -> Result<Part, PodError> {
    let from = places[number];
    let behind = places.get(number + count);
    let ends = match behind {
        Some(next) => next.points.map(|point| point.offset),
        None => ends(pod, selection).await?,
    };
    let mut rows = Rows::at(from).with_times(options.times);
    walk(pod, selection.id, from, ends, |step| {
        match step {
            OutputItem::Bytes(stream, bytes, came) => rows.push(stream, bytes, came),
            OutputItem::Gap(stream, gap) => rows.gap(stream, gap),
        }
        ControlFlow::Continue(())
    })
    .await?;
    if behind.is_some() || options.over {
        rows.end();
    }
    let (html, _) = rows.take();
    let later = behind.map(|_| number + count);
    Ok(Part { number, html, unfinished: rows.unfinished(), next: rows.place(), later })
}

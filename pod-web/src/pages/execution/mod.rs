//! The page of an execution: its state and the reason, its output, and its actions.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use pod_core::{
    Explanation,
    domain::{Attempt, AttemptNo},
};
use serde_json::json;

use crate::{
    failure::Failure,
    format::filters,
    layout::Frame,
    output::{self, MAX_MATCHES, OutputSelection, Part, RenderOptions, SearchMatch, View},
    web::Web,
};

mod actions;
mod live;
mod outcome_text;
mod query;
mod timeline;

pub(crate) use actions::{retry, terminate};
pub(crate) use live::follow;
use query::{ExecutionPageQuery, id_of};
use timeline::Timeline;

#[derive(Debug, Template)]
#[template(path = "execution.html")]
struct ExecutionPage<'a> {
    frame: &'a Frame,
    explanation: &'a Explanation,
    attempts: &'a [Attempt],
    timeline: Timeline,
    /// Where a shell finds it.
    manager: String,
    /// Which output is shown.
    selection: OutputSelection,
    /// Nothing more will be printed there.
    over: bool,
    part: Option<Part>,
    query: &'a ExecutionPageQuery,
    found: Option<Vec<SearchMatch>>,
}

impl ExecutionPage<'_> {
    fn views(&self) -> [(View, &'static str); 3] {
        View::ALL.map(|view| {
            let word = match view {
                View::Merged => "both",
                View::Only(stream) => stream.as_str(),
            };
            (view, word)
        })
    }

    /// The address of this page for another view.
    fn at(&self, view: &View) -> String {
        self.address(*view, self.query.shows_times())
    }

    fn address(&self, view: View, times: bool) -> String {
        let attempt = self.query.attempt.map_or_else(String::new, |attempt| format!("&attempt={attempt}"));
        let times = if times { "&times=on" } else { "" };
        format!("/executions/{}?view={}{attempt}{times}", self.selection.id, view.as_str())
    }

    /// This page with the times of the lines, or without.
    fn other_times(&self) -> String {
        self.address(self.selection.view, !self.query.shows_times())
    }

    fn here(&self) -> String {
        self.at(&self.selection.view)
    }

    fn max_matches(&self) -> usize {
        MAX_MATCHES
    }
}

/// The query, checked against the execution.
struct ResolvedOutput {
    explanation: Explanation,
    attempts: Vec<Attempt>,
    selection: OutputSelection,
    over: bool,
}

async fn resolve(web: &Web, id: &str, query: &ExecutionPageQuery) -> Result<ResolvedOutput, Failure> {
    let id = id_of(id)?;
    // The row before the output: output is stored before the end of an execution.
    let explanation = web.pod.explain(id).await?;
    let attempts = web.pod.attempts(id).await?;
    let execution = &explanation.execution;
    let attempt = match query.attempt {
        Some(number) if number == 0 || number > execution.attempt.0 => {
            return Err(Failure::missing(format!(
                "Execution #{id} has {} attempts; there is no attempt {number}.",
                execution.attempt
            )));
        }
        Some(number) => AttemptNo(number),
        None => execution.attempt,
    };
    let over = execution.status.is_terminal() || attempt < execution.attempt;
    let selection = OutputSelection { id, attempt, view: View::from_word(&query.view) };
    Ok(ResolvedOutput { explanation, attempts, selection, over })
}

async fn part_of(
    web: &Web,
    query: &ExecutionPageQuery,
    selection: OutputSelection,
    over: bool,
) -> Result<Part, Failure> {
    let (pod, indexes) = (&web.pod, &web.indexes);
    let options = RenderOptions { over, times: query.shows_times() };
    let part = match (query.part, query.line) {
        (Some(number), _) => output::numbered(pod, indexes, selection, number, options).await,
        (None, Some(line)) => output::with_line(pod, indexes, selection, line, options).await,
        (None, None) => output::last(pod, indexes, selection, options).await,
    };
    Ok(part?)
}

/// `GET /executions/{id}`.
pub(crate) async fn show(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    Query(query): Query<ExecutionPageQuery>,
    headers: HeaderMap,
    frame: Frame,
) -> Result<Response, Failure> {
    let ResolvedOutput { explanation, attempts, selection, over } = resolve(&web, &id, &query).await?;
    let timeline = Timeline::of(&explanation, &attempts, web.pod.now());
    let part = if query.head.is_some() { None } else { Some(part_of(&web, &query, selection, over).await?) };
    let found = match query.q.as_str() {
        "" => None,
        text => Some(output::search(&web.pod, selection, text).await?),
    };
    let manager = web.address(&headers);
    let (explanation, attempts, query) = (&explanation, attempts.as_slice(), &query);
    let page =
        ExecutionPage { frame: &frame, explanation, attempts, timeline, manager, selection, over, part, query, found };
    Ok(frame.page(&page))
}

/// `GET /executions/{id}/output/part`: a part of the output by itself, for the script of the page.
pub(crate) async fn part(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    Query(query): Query<ExecutionPageQuery>,
) -> Result<Response, Failure> {
    let ResolvedOutput { selection, over, .. } = resolve(&web, &id, &query).await?;
    let part = part_of(&web, &query, selection, over).await?;
    let body = json!({
        "html": part.html, "unfinished": part.unfinished, "part": part.number, "earlier": part.earlier(),
        "later": part.later, "next": part.next.to_string(), "over": over,
    });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::OK, headers, body.to_string()).into_response())
}

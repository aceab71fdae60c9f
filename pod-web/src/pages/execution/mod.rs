//! One execution: where it stands and why, what it printed, and what can be done about it.

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
    output::{self, Found, How, MOST_FOUND, Part, Shown, View},
    web::Web,
};

mod actions;
mod asked;
mod live;
mod story;
mod words;

pub(crate) use actions::{retry, terminate};
use asked::{Asked, id_of};
pub(crate) use live::follow;
use story::Story;

#[derive(Debug, Template)]
#[template(path = "execution.html")]
struct ExecutionPage<'a> {
    frame: &'a Frame,
    explanation: &'a Explanation,
    attempts: &'a [Attempt],
    story: Story,
    /// Where a shell finds it.
    manager: String,
    /// Which output is shown.
    shown: Shown,
    /// Nothing more will be printed there.
    over: bool,
    part: Option<Part>,
    asked: &'a Asked,
    found: Option<Vec<Found>>,
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
        self.address(*view, self.asked.shows_times())
    }

    fn address(&self, view: View, times: bool) -> String {
        let attempt = self.asked.attempt.map_or_else(String::new, |attempt| format!("&attempt={attempt}"));
        let times = if times { "&times=on" } else { "" };
        format!("/executions/{}?view={}{attempt}{times}", self.shown.id, view.as_str())
    }

    /// This page with the times of the lines, or without.
    fn other_times(&self) -> String {
        self.address(self.shown.view, !self.asked.shows_times())
    }

    fn here(&self) -> String {
        self.at(&self.shown.view)
    }

    fn enough(&self) -> usize {
        MOST_FOUND
    }
}

/// What is asked for, checked against what there is.
struct Known {
    explanation: Explanation,
    attempts: Vec<Attempt>,
    shown: Shown,
    over: bool,
}

async fn known(web: &Web, id: &str, asked: &Asked) -> Result<Known, Failure> {
    let id = id_of(id)?;
    // The row first, the output after it: what was printed is there before the end is.
    let explanation = web.pod.explain(id).await?;
    let attempts = web.pod.attempts(id).await?;
    let execution = &explanation.execution;
    let attempt = match asked.attempt {
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
    let shown = Shown { id, attempt, view: View::from_word(&asked.view) };
    Ok(Known { explanation, attempts, shown, over })
}

async fn part_of(web: &Web, asked: &Asked, shown: Shown, over: bool) -> Result<Part, Failure> {
    let (pod, indexes) = (&web.pod, &web.indexes);
    let how = How { over, times: asked.shows_times() };
    let part = match (asked.part, asked.line) {
        (Some(number), _) => output::numbered(pod, indexes, shown, number, how).await,
        (None, Some(line)) => output::with_line(pod, indexes, shown, line, how).await,
        (None, None) => output::last(pod, indexes, shown, how).await,
    };
    Ok(part?)
}

/// `GET /executions/{id}`.
pub(crate) async fn show(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    frame: Frame,
) -> Result<Response, Failure> {
    let Known { explanation, attempts, shown, over } = known(&web, &id, &asked).await?;
    let story = Story::of(&explanation, &attempts, web.pod.now());
    let part = if asked.head.is_some() { None } else { Some(part_of(&web, &asked, shown, over).await?) };
    let found = match asked.q.as_str() {
        "" => None,
        text => Some(output::search(&web.pod, shown, text).await?),
    };
    let manager = web.address(&headers);
    let (explanation, attempts, asked) = (&explanation, attempts.as_slice(), &asked);
    let page = ExecutionPage { frame: &frame, explanation, attempts, story, manager, shown, over, part, asked, found };
    Ok(frame.page(&page))
}

/// `GET /executions/{id}/output/part`: a part of the output by itself, for the script of the page.
pub(crate) async fn part(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let Known { shown, over, .. } = known(&web, &id, &asked).await?;
    let part = part_of(&web, &asked, shown, over).await?;
    let body = json!({
        "html": part.html, "unfinished": part.unfinished, "part": part.number, "earlier": part.earlier(),
        "later": part.later, "next": part.next.to_string(), "over": over,
    });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::OK, headers, body.to_string()).into_response())
}

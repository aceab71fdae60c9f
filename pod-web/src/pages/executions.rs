//! The list of executions: filters whose state is the address, pages by id, and what is done to many at once.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use pod_core::{
    Pod, PodError,
    domain::{ActivityId, Execution, ExecutionId, ExecutionStatus, Millis, WorkerId},
    store::{ExecutionQuery, Order},
};
use serde::Deserialize;

use crate::{
    Web,
    failure::{self, Failure},
    flash::{Flash, see_other},
    form::Filled,
    format::filters,
    layout::Frame,
    pages::confirm::Confirm,
};

/// How many rows a page has.
const ROWS: usize = 50;
/// How many executions are looked through for a worker or a text before one is asked whether to go on.
const WINDOW: u64 = 25_000;
/// What a list may be limited to, in words and hours.
const SPANS: [(&str, &str, u64); 4] =
    [("1h", "last hour", 1), ("24h", "last 24 hours", 24), ("7d", "last 7 days", 168), ("30d", "last 30 days", 720)];

/// What the address says. Everything is text, so that a mistake becomes a sentence and not an empty page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    status: String,
    activity: String,
    worker: String,
    since: String,
    q: String,
    before: String,
    after: String,
}

impl Asked {
    /// The address of this list with another cursor.
    fn at(&self, cursor: Option<(&str, ExecutionId)>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let filters = [
            ("status", &self.status),
            ("activity", &self.activity),
            ("worker", &self.worker),
            ("since", &self.since),
            ("q", &self.q),
        ];
        for (name, value) in filters.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        if let Some((name, id)) = cursor {
            query.append_pair(name, &id.to_string());
        }
        let query = query.finish();
        if query.is_empty() { "/executions".to_owned() } else { format!("/executions?{query}") }
    }

    fn filters(&self) -> bool {
        [&self.status, &self.activity, &self.worker, &self.since, &self.q].iter().any(|value| !value.is_empty())
    }

    /// Those that an index does not lead to.
    fn searches(&self) -> bool {
        !self.worker.is_empty() || !self.q.is_empty()
    }
}

/// A row of the list.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) execution: Execution,
    pub(crate) activity: Arc<str>,
}

impl Row {
    /// From submission to the start of the latest attempt, or to now.
    pub(crate) fn waited(&self, now: &pod_core::domain::Timestamp) -> Option<Millis> {
        let execution = &self.execution;
        match (execution.started_at, execution.status) {
            (Some(started), _) => Some(started.since(execution.submitted_at)),
            (None, ExecutionStatus::Waiting) => Some(now.since(execution.submitted_at)),
            (None, _) => None,
        }
    }

    /// How long it ran, or has run by now.
    pub(crate) fn ran(&self, now: &pod_core::domain::Timestamp) -> Option<Millis> {
        let started = self.execution.started_at?;
        Some(self.execution.finished_at.unwrap_or(*now).since(started))
    }
}

#[derive(Debug, Template)]
#[template(path = "executions.html")]
struct ExecutionsPage<'a> {
    frame: &'a Frame,
    asked: &'a Asked,
    activities: Vec<String>,
    rows: Vec<Row>,
    now: pod_core::domain::Timestamp,
    newer: Option<String>,
    older: Option<String>,
    /// Where a search stopped, and where it goes on.
    searched: Option<(ExecutionId, String)>,
    first_page: bool,
    error: Option<String>,
    clear: String,
}

impl ExecutionsPage<'_> {
    fn statuses(&self) -> [ExecutionStatus; 6] {
        ExecutionStatus::ALL
    }

    fn spans(&self) -> [(&'static str, &'static str, u64); 4] {
        SPANS
    }
}

/// `GET /executions`.
pub(crate) async fn list(
    State(web): State<Arc<Web>>,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    // A number is the execution of that number.
    let number = asked.q.trim().trim_start_matches('#').parse::<ExecutionId>();
    if let Ok(id) = number
        && asked.q.trim().starts_with('#')
        && web.pod.execution(id).await.is_ok()
    {
        return Ok(see_other(&format!("/executions/{id}")));
    }
    let found = find(&web.pod, &asked).await;
    let (found, error) = match found {
        Ok(found) => (found, None),
        Err(Refused::Asked(sentence)) => (Found::default(), Some(sentence)),
        Err(Refused::Pod(error)) => return Err(error.into()),
    };
    let names = web.pod.activity_names().await?;
    let name = |id: ActivityId| names.get(&id).cloned().unwrap_or_else(|| "".into());
    let activities = web.pod.activities().await?;
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = ExecutionsPage {
        frame: &frame,
        activities: activities.iter().map(|view| view.activity.name.to_string()).collect(),
        now: web.pod.now(),
        newer: found.newer.map(|id| asked.at(Some(("after", id)))),
        older: found.older.map(|id| asked.at(Some(("before", id)))),
        searched: found.searched.map(|id| (id, asked.at(Some(("before", id))))),
        first_page: asked.before.is_empty() && asked.after.is_empty(),
        clear: Asked::default().at(None),
        rows: found.executions.into_iter().map(|row| Row { activity: name(row.activity), execution: row }).collect(),
        asked: &asked,
        error,
    };
    Ok(frame.page_with(status, &page))
}

/// A page of the list, and where it goes on.
#[derive(Debug, Default)]
struct Found {
    executions: Vec<Execution>,
    newer: Option<ExecutionId>,
    older: Option<ExecutionId>,
    searched: Option<ExecutionId>,
}

/// Why there is no list.
enum Refused {
    /// The address is wrong, for this reason.
    Asked(String),
    Pod(PodError),
}

impl From<PodError> for Refused {
    fn from(error: PodError) -> Self {
        Self::Pod(error)
    }
}

async fn find(pod: &Pod, asked: &Asked) -> Result<Found, Refused> {
    let mut query = understood(pod, asked).await?;
    let oldest = query.after;
    let from_below = !asked.after.is_empty();
    let mut window_end = None;
    if from_below {
        query.order = Order::OldestFirst;
        query.after = query.after.max(Some(id_of("after", &asked.after)?));
    } else if asked.searches() {
        // Only so many are looked through at once, however many there are.
        let top = match query.before {
            Some(before) => before.0,
            None => newest(pod).await?.map_or(0, |id| id.0 + 1),
        };
        let bottom = top.saturating_sub(WINDOW + 1);
        if bottom > query.after.map_or(0, |id| id.0) {
            query.after = Some(ExecutionId(bottom));
            window_end = Some(ExecutionId(bottom + 1));
        }
    }
    query.limit = ROWS + 1;
    let mut executions = pod.executions(query).await?;
    let more = executions.len() > ROWS;
    executions.truncate(ROWS);
    if from_below {
        executions.reverse();
    }
    let (first, last) = (executions.first().map(|row| row.id), executions.last().map(|row| row.id));
    let beyond = |id: Option<ExecutionId>| id.filter(|id| id.0 > oldest.map_or(1, |oldest| oldest.0 + 1));
    Ok(Found {
        newer: if from_below { first.filter(|_| more) } else { first.filter(|_| !asked.before.is_empty()) },
        older: if from_below { beyond(last) } else { last.filter(|_| more) },
        searched: window_end.filter(|_| !more),
        executions,
    })
}

async fn newest(pod: &Pod) -> Result<Option<ExecutionId>, PodError> {
    let query = ExecutionQuery { limit: 1, ..ExecutionQuery::default() };
    Ok(pod.executions(query).await?.first().map(|row| row.id))
}

fn id_of(name: &str, text: &str) -> Result<ExecutionId, Refused> {
    let id = text.parse().ok().filter(|id: &ExecutionId| id.0 < i64::MAX as u64);
    id.ok_or_else(|| Refused::Asked(format!("{name} in the address must be the number of an execution, not {text:?}.")))
}

/// What the address asks for, without where it begins from below.
async fn understood(pod: &Pod, asked: &Asked) -> Result<ExecutionQuery, Refused> {
    let mut query = ExecutionQuery::default();
    if !asked.status.is_empty() {
        let status = ExecutionStatus::from_word(&asked.status);
        let words = || ExecutionStatus::ALL.map(ExecutionStatus::as_str).join(", ");
        query.status = Some(status.ok_or_else(|| {
            Refused::Asked(format!("There is no state {:?}. The states are {}.", asked.status, words()))
        })?);
    }
    if !asked.activity.is_empty() {
        let names = pod.activity_names().await?;
        // A name may have been used before: the newest activity of that name counts.
        let found = names.iter().rev().find_map(|(id, name)| (**name == *asked.activity).then_some(*id));
        query.activity =
            Some(found.ok_or_else(|| Refused::Asked(format!("There is no activity {:?}.", asked.activity)))?);
    }
    if !asked.worker.is_empty() {
        let worker = asked.worker.trim().trim_start_matches('#').parse::<WorkerId>();
        let worker = worker.ok().filter(|worker| worker.0 < i64::MAX as u64);
        query.worker = Some(worker.ok_or_else(|| {
            Refused::Asked(format!(
                "A worker is named by its number, as the list of workers shows it, not {:?}.",
                asked.worker
            ))
        })?);
    }
    if !asked.before.is_empty() {
        query.before = Some(id_of("before", &asked.before)?);
    }
    if !asked.since.is_empty() {
        let hours = SPANS.iter().find_map(|(word, _, hours)| (*word == asked.since).then_some(*hours));
        let hours = hours.ok_or_else(|| {
            Refused::Asked(format!("{:?} is not a span that can be chosen; choose one from the list.", asked.since))
        })?;
        let first = pod.first_submitted(pod.now() - Millis::from_secs(hours * 3600)).await?;
        query.after = Some(first.map_or(ExecutionId(i64::MAX as u64 - 1), |first| ExecutionId(first.0 - 1)));
    }
    query.containing = Some(asked.q.clone()).filter(|text| !text.is_empty());
    Ok(query)
}

/// `POST /executions/bulk`: terminates or repeats those that were chosen. Terminating is asked about once.
pub(crate) async fn bulk(State(web): State<Arc<Web>>, frame: Frame, filled: Filled) -> Result<Response, Failure> {
    let back = filled.back("/executions").to_owned();
    let chosen: Vec<ExecutionId> = filled.all("id").filter_map(|id| id.parse().ok()).collect();
    if chosen.is_empty() {
        return Ok(Flash::refused("Choose executions first, by the boxes at their left.").at(&back));
    }
    match filled.get("do") {
        "retry" => Ok(retry(&web.pod, &chosen).await?.at(&back)),
        "terminate" if filled.has("sure") => Ok(terminate(&web.pod, &chosen).await?.at(&back)),
        "terminate" => ask(&web.pod, &frame, &chosen, back).await,
        other => Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, format!("There is no action {other:?}."))),
    }
}

async fn ask(pod: &Pod, frame: &Frame, chosen: &[ExecutionId], back: String) -> Result<Response, Failure> {
    let (mut running, mut waiting) = (0, 0);
    for id in chosen {
        match pod.execution(*id).await.map(|execution| execution.status) {
            Ok(ExecutionStatus::Running) => running += 1,
            Ok(ExecutionStatus::Waiting) => waiting += 1,
            _ => {}
        }
    }
    if running + waiting == 0 {
        return Ok(Flash::refused("All of these have ended already; nothing was done.").at(&back));
    }
    let mut fields = vec![("do".to_owned(), "terminate".to_owned()), ("sure".to_owned(), "yes".to_owned())];
    fields.push(("back".to_owned(), back.clone()));
    fields.extend(chosen.iter().map(|id| ("id".to_owned(), id.to_string())));
    let mut sentences = Vec::new();
    if running > 0 {
        let they = if running == 1 { "1 runs: its program is" } else { &format!("{running} run: their programs are") };
        sentences.push(format!("{they} asked to end, and killed after a grace time. What was printed stays."));
    }
    if waiting > 0 {
        sentences.push(format!("{waiting} {} and will not run.", if waiting == 1 { "waits" } else { "wait" }));
    }
    let title = match running + waiting {
        1 => "Terminate 1 execution?".to_owned(),
        count => format!("Terminate {count} executions?"),
    };
    let action = "/executions/bulk".to_owned();
    Ok(Confirm { frame, title, sentences, action, fields, verb: "Terminate", back }.ask())
}

async fn terminate(pod: &Pod, chosen: &[ExecutionId]) -> Result<Flash, Failure> {
    let (mut done, mut ended) = (0, 0);
    for id in chosen {
        match pod.request_termination(*id).await {
            Ok(_) => done += 1,
            Err(PodError::AlreadyEnded(_) | PodError::NoSuchExecution(_)) => ended += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(told(done, ended, "is being terminated", "are being terminated", "had already ended"))
}

async fn retry(pod: &Pod, chosen: &[ExecutionId]) -> Result<Flash, Failure> {
    let (mut done, mut refused, mut why) = (0, 0, None);
    for id in chosen {
        match pod.retry(*id).await {
            Ok(_) => done += 1,
            Err(error @ (PodError::Overloaded | PodError::Stopped | PodError::Store(_))) => return Err(error.into()),
            Err(error) => {
                refused += 1;
                why.get_or_insert_with(|| failure::sentence(&error));
            }
        }
    }
    let mut flash = told(done, refused, "runs again", "run again", "could not be run again");
    if let Some(why) = why {
        flash.text.push(' ');
        flash.text.push_str(&why);
    }
    Ok(flash)
}

fn told(done: usize, not: usize, one: &str, many: &str, otherwise: &str) -> Flash {
    let mut text = match done {
        0 => "Nothing was done.".to_owned(),
        1 => format!("1 execution {one}."),
        done => format!("{done} executions {many}."),
    };
    if not > 0 {
        text.push_str(&format!(" {not} {otherwise}."));
    }
    if done > 0 { Flash::done(text) } else { Flash::refused(text) }
}

//! What happened, newest first.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use pod_core::domain::{ActivityId, Event, EventKind};
use serde::Deserialize;

use crate::{Web, failure::Failure, format::filters, layout::Frame};

/// How many rows a page has.
const ROWS: usize = 100;
/// How many events are read at a time.
const CHUNK: usize = 1000;
/// How many such reads a page takes at most; where they found too little, one is asked whether to go on.
const CHUNKS: usize = 5;

/// What the list may be limited to.
const SUBJECTS: [(&str, &str); 4] = [
    ("executions", "Executions"),
    ("activities", "Activities"),
    ("workers", "Workers and fleet"),
    ("policies", "Policies"),
];

/// What the address says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    about: String,
    before: String,
}

#[derive(Debug, Template)]
#[template(path = "events.html")]
struct EventsPage<'a> {
    frame: &'a Frame,
    about: &'a str,
    events: Vec<Event>,
    names: Arc<BTreeMap<ActivityId, Arc<str>>>,
    first_page: bool,
    older: Option<u64>,
    /// The page is not full, and there may be more beyond what was looked through.
    searched: bool,
}

impl EventsPage<'_> {
    fn subjects(&self) -> [(&'static str, &'static str); 4] {
        SUBJECTS
    }

    fn name(&self, id: &ActivityId) -> &str {
        self.names.get(id).map_or("", |name| name)
    }

    /// What there is to say beside what is named by links.
    fn sentence(&self, event: &Event) -> String {
        let message = event.message.as_deref().unwrap_or_default();
        let said = |text: &str| if message.is_empty() { text.to_owned() } else { format!("{text}: {message}") };
        let revision = |what: &str| match event.revision {
            Some(revision) => format!("revision {revision} {what}"),
            None => what.to_owned(),
        };
        match event.kind {
            EventKind::ActivityRegistered => revision("was registered"),
            EventKind::ActivityApproved => revision("was approved"),
            EventKind::ActivityRejected => said(&revision("was rejected")),
            EventKind::ActivityUninstalling => "is being removed".to_owned(),
            EventKind::ActivityDeleted => "is gone".to_owned(),
            EventKind::InstallationChanged => said("installation"),
            EventKind::ExecutionSubmitted => match event.revision {
                Some(revision) => format!("was submitted, with revision {revision}"),
                None => "was submitted".to_owned(),
            },
            EventKind::ExecutionStarted => match event.attempt {
                Some(attempt) if attempt.0 > 1 => format!("began to run, attempt {attempt}"),
                _ => "began to run".to_owned(),
            },
            EventKind::ExecutionRequeued => said("waits again"),
            EventKind::ExecutionEnded => match message {
                "" => "ended".to_owned(),
                "finished" | "failed" => message.to_owned(),
                "terminated" => "was terminated".to_owned(),
                "timedOut" => "ran out of time".to_owned(),
                reason => format!("failed: {reason}"),
            },
            EventKind::WorkerChanged => said("now"),
            EventKind::PolicyChanged | EventKind::Scaled | EventKind::ClockSet => message.to_owned(),
            EventKind::ManagerStarted => "The manager started".to_owned(),
        }
    }
}

fn subject(kind: EventKind) -> &'static str {
    use EventKind as Kind;
    match kind {
        Kind::ActivityRegistered
        | Kind::ActivityApproved
        | Kind::ActivityRejected
        | Kind::ActivityUninstalling
        | Kind::ActivityDeleted
        | Kind::InstallationChanged => "activities",
        Kind::ExecutionSubmitted | Kind::ExecutionStarted | Kind::ExecutionRequeued | Kind::ExecutionEnded => {
            "executions"
        }
        Kind::WorkerChanged | Kind::Scaled | Kind::ManagerStarted | Kind::ClockSet => "workers",
        Kind::PolicyChanged => "policies",
    }
}

/// `GET /events`.
pub(crate) async fn list(
    State(web): State<Arc<Web>>,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let refuse = |sentence: String| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, sentence);
    if !asked.about.is_empty() && !SUBJECTS.iter().any(|(word, _)| *word == asked.about) {
        return Err(refuse(format!("There are no events about {:?}. Choose from the list.", asked.about)));
    }
    let mut before = match asked.before.as_str() {
        "" => i64::MAX as u64,
        text => text
            .parse()
            .map_err(|_| refuse(format!("before in the address must be the number of an event, not {text:?}.")))?,
    };
    let (mut events, mut exhausted) = (Vec::new(), false);
    for _ in 0..CHUNKS {
        let chunk = if asked.about.is_empty() { ROWS + 1 } else { CHUNK };
        let found = web.pod.events_before(before.min(i64::MAX as u64), chunk).await?;
        exhausted = found.len() < chunk;
        before = found.last().map_or(0, |event| event.seq);
        events.extend(found.into_iter().filter(|event| asked.about.is_empty() || subject(event.kind) == asked.about));
        if events.len() > ROWS || exhausted {
            break;
        }
    }
    let more = events.len() > ROWS;
    events.truncate(ROWS);
    let searched = !more && !exhausted;
    let older = if more { events.last().map(|event| event.seq) } else { Some(before).filter(|_| searched) };
    let names = web.pod.activity_names().await?;
    let first_page = asked.before.is_empty();
    Ok(frame.page(&EventsPage { frame: &frame, about: &asked.about, events, names, first_page, older, searched }))
}

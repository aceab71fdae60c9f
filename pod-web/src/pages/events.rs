//! The list of events, newest first.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use pod_core::domain::{ActivityId, Event, EventDetail, EventKind, ExecutionStatus, WorkerStatus};
use serde::Deserialize;

use crate::{
    failure::Failure,
    format::{activity_address, filters},
    layout::Frame,
    web::Web,
};

/// How many rows a page has.
const PAGE_SIZE: usize = 100;
/// Events per read while filtering.
const READ_SIZE: usize = 1000;
/// Reads per page; after them the page offers to go on.
const MAX_READS: usize = 5;

/// What the list may be limited to.
const SUBJECTS: [(&str, &str); 4] = [
    ("executions", "Executions"),
    ("activities", "Activities"),
    ("workers", "Workers and fleet"),
    ("policies", "Policies"),
];

/// The query of the page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventsQuery {
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

    /// Where an activity is shown. Nowhere once another one has its name.
    fn address(&self, id: &ActivityId) -> Option<String> {
        let name = self.names.get(id)?;
        let mut later = self.names.range((Bound::Excluded(id), Bound::Unbounded));
        (!later.any(|(_, other)| other == name)).then(|| activity_address(name))
    }

    fn text(&self, event: &Event) -> EventText {
        EventText::of(event)
    }
}

/// The text of an event around its links: the subject stands before the verb, the worker behind it, and details at the
/// end.
#[derive(Debug, PartialEq, Eq)]
struct EventText {
    verb: String,
    more: String,
}

impl EventText {
    fn of(event: &Event) -> Self {
        let message = event.detail.as_ref().map(ToString::to_string).unwrap_or_default();
        let reason = match &event.detail {
            Some(EventDetail::Ended { ending: Some(ending), .. }) => ending.reason().unwrap_or_default(),
            _ => String::new(),
        };
        let message = message.as_str();
        let revision = |what: &str| match event.revision {
            Some(revision) => format!("revision {revision} {what}"),
            None => what.to_owned(),
        };
        let (verb, more) = match event.kind {
            EventKind::ActivityRegistered => (revision("was registered"), ""),
            EventKind::ActivityApproved => (revision("was approved"), ""),
            EventKind::ActivityRejected => (revision("was rejected"), message),
            EventKind::ActivityUninstalling => ("is being removed".to_owned(), ""),
            EventKind::ActivityDeleted => ("is gone".to_owned(), ""),
            EventKind::InstallationChanged if message.is_empty() => ("is installed".to_owned(), ""),
            EventKind::InstallationChanged => ("is not installed".to_owned(), message),
            EventKind::ExecutionSubmitted => match event.revision {
                Some(revision) => (format!("was submitted, with revision {revision},"), ""),
                None => ("was submitted".to_owned(), ""),
            },
            EventKind::ExecutionStarted => match event.attempt {
                Some(attempt) if attempt.0 > 1 => (format!("began to run, attempt {attempt},"), ""),
                _ => ("began to run".to_owned(), ""),
            },
            EventKind::ExecutionRequeued => ("waits again after an attempt".to_owned(), message),
            EventKind::ExecutionEnded => match &event.detail {
                Some(EventDetail::Ended { status, .. }) => (concluded(*status).to_owned(), reason.as_str()),
                _ => ("ended".to_owned(), message),
            },
            EventKind::WorkerChanged => match &event.detail {
                Some(EventDetail::Worker { status, reason: None }) => (stands(*status).to_owned(), ""),
                Some(EventDetail::Worker { status, .. }) => (stands(*status).to_owned(), message),
                _ => ("is not there".to_owned(), message),
            },
            EventKind::PolicyChanged | EventKind::Scaled | EventKind::ClockSet => (capitalised(message), ""),
            EventKind::ManagerStarted => ("The manager started".to_owned(), ""),
        };
        // A comma holds the verb and the worker together; without a worker there is nothing to hold.
        let verb = if event.worker.is_none() { verb.trim_end_matches(',').to_owned() } else { verb };
        Self { verb, more: more.to_owned() }
    }
}

/// How an execution concluded.
const fn concluded(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Finished => "finished",
        ExecutionStatus::Failed => "failed",
        ExecutionStatus::Terminated => "was terminated",
        ExecutionStatus::TimedOut => "ran out of time",
        ExecutionStatus::Waiting | ExecutionStatus::Running => "ended",
    }
}

/// Where a worker stands now.
const fn stands(status: WorkerStatus) -> &'static str {
    match status {
        WorkerStatus::Launching => "is launched",
        WorkerStatus::Pending => "is starting",
        WorkerStatus::Ready => "is ready",
        WorkerStatus::Working => "is at work",
        WorkerStatus::Unreachable => "is unreachable",
        WorkerStatus::Draining => "takes no more work",
        WorkerStatus::Lost => "was lost",
        WorkerStatus::Terminated => "was let go",
        WorkerStatus::Failed => "failed",
    }
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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
    Query(query): Query<EventsQuery>,
) -> Result<Response, Failure> {
    let refuse = |sentence: String| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, sentence);
    if !query.about.is_empty() && !SUBJECTS.iter().any(|(word, _)| *word == query.about) {
        return Err(refuse(format!("There are no events about {:?}. Choose from the list.", query.about)));
    }
    let mut before = match query.before.as_str() {
        "" => i64::MAX as u64,
        text => text
            .parse()
            .map_err(|_| refuse(format!("before in the address must be the number of an event, not {text:?}.")))?,
    };
    let (mut events, mut exhausted) = (Vec::new(), false);
    for _ in 0..MAX_READS {
        let chunk = if query.about.is_empty() { PAGE_SIZE + 1 } else { READ_SIZE };
        let found = web.pod.events_before(before.min(i64::MAX as u64), chunk).await?;
        exhausted = found.len() < chunk;
        before = found.last().map_or(0, |event| event.seq);
        events.extend(found.into_iter().filter(|event| query.about.is_empty() || subject(event.kind) == query.about));
        if events.len() > PAGE_SIZE || exhausted {
            break;
        }
    }
    let more = events.len() > PAGE_SIZE;
    events.truncate(PAGE_SIZE);
    let searched = !more && !exhausted;
    let older = if more { events.last().map(|event| event.seq) } else { Some(before).filter(|_| searched) };
    let names = web.pod.activity_names().await?;
    let first_page = query.before.is_empty();
    Ok(frame.page(&EventsPage { frame: &frame, about: &query.about, events, names, first_page, older, searched }))
}

#[cfg(test)]
mod tests {
    use pod_core::domain::{ActivityName, AttemptNo, GiveUp, Outcome, PolicyChange, Requeue, WorkerId, WorkerReason};

    use super::*;

    fn text_of(kind: EventKind, detail: Option<EventDetail>, worker: Option<u64>) -> String {
        let worker = worker.map(pod_core::domain::WorkerId);
        let at = pod_core::domain::Timestamp(0);
        let nobody = (None, None, None, None);
        let (activity, revision, execution, attempt) = nobody;
        let EventText { verb, more } =
            EventText::of(&Event { seq: 1, at, kind, activity, revision, execution, attempt, worker, detail });
        if more.is_empty() { verb } else { format!("{verb}: {more}") }
    }

    #[test]
    fn every_event_has_its_verb() {
        use EventKind as Kind;
        let failed = || EventDetail::InstallationFailed { error: "its script ended with 3".into() };
        let why = Requeue::WorkerLost { worker: WorkerId(1), attempt: AttemptNo(2) };
        let ended = |ending: Outcome| EventDetail::Ended { status: ending.status(), ending: Some(ending) };
        let worker = |status, reason| EventDetail::Worker { status, reason };
        let name = ActivityName::new("busy").expect("a valid name");
        let deleted = EventDetail::Policy { name, change: PolicyChange::Deleted };
        for (kind, detail, expected) in [
            (Kind::InstallationChanged, None, "is installed"),
            (Kind::InstallationChanged, Some(failed()), "is not installed: its script ended with 3"),
            (
                Kind::ExecutionRequeued,
                Some(EventDetail::Requeued { why }),
                "waits again after an attempt: worker 1 was lost while it ran attempt 2",
            ),
            (Kind::ExecutionEnded, Some(ended(Outcome::TimedOut)), "ran out of time"),
            (Kind::ExecutionEnded, Some(ended(Outcome::Exited(3))), "failed"),
            (
                Kind::ExecutionEnded,
                Some(ended(Outcome::Aborted(GiveUp::ActivityDeleted))),
                "failed: the activity was deleted",
            ),
            (Kind::WorkerChanged, Some(worker(WorkerStatus::Launching, None)), "is launched"),
            (Kind::WorkerChanged, Some(worker(WorkerStatus::Ready, None)), "is ready"),
            (
                Kind::WorkerChanged,
                Some(worker(WorkerStatus::Draining, Some(WorkerReason::AskedToDrain))),
                "takes no more work: it was asked to drain",
            ),
            (
                Kind::WorkerChanged,
                Some(EventDetail::Said { sentence: "it was silent for 30 s".into() }),
                "is not there: it was silent for 30 s",
            ),
            (Kind::PolicyChanged, Some(deleted), "Policy busy was deleted"),
            (Kind::ManagerStarted, None, "The manager started"),
        ] {
            assert_eq!(text_of(kind, detail, Some(1)), expected, "{kind:?}");
        }
        assert_eq!(text_of(Kind::Scaled, None, None), "");
    }
}

//! The list of executions: filters whose state is the address, pages by id, and what is done to many at once.

mod bulk;
mod filter;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use pod_core::{
    Pod, PodError,
    domain::{ActivityId, Execution, ExecutionId, ExecutionStatus, Millis},
    store::{ExecutionQuery, SortOrder},
};

pub(crate) use self::bulk::{bulk, form, progress};
use self::filter::{FilterError, ListFilter, SPANS, id_of};
use crate::{failure::Failure, flash::see_other, format::filters, layout::Frame, web::Web};

/// Rows per page.
const PAGE_SIZE: usize = 50;
/// Executions that are searched for a worker or a text before the page offers to go on.
const MAX_SEARCHED: u64 = 25_000;
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
    filter: &'a ListFilter,
    activities: Vec<String>,
    rows: Vec<Row>,
    now: pod_core::domain::Timestamp,
    newer: Option<String>,
    older: Option<String>,
    /// Where a search stopped, and where it goes on.
    searched: Option<(ExecutionId, String)>,
    first_page: bool,
    /// What is wrong in the address: which field, and what to do.
    error: Option<(&'static str, String)>,
    clear: String,
}

impl ExecutionsPage<'_> {
    fn statuses(&self) -> [ExecutionStatus; 6] {
        ExecutionStatus::ALL
    }

    fn spans(&self) -> [(&'static str, &'static str, u64); 4] {
        SPANS
    }

    /// What is wrong with a field.
    fn wrong(&self, field: &str) -> Option<&str> {
        self.error.as_ref().filter(|(wrong, _)| *wrong == field).map(|(_, sentence)| sentence.as_str())
    }

    /// What is wrong beside the fields.
    fn wrong_otherwise(&self) -> Option<&str> {
        let fields = ["status", "activity", "worker", "since", "from", "to"];
        self.error.as_ref().filter(|(wrong, _)| !fields.contains(wrong)).map(|(_, sentence)| sentence.as_str())
    }
}

/// `GET /executions`.
pub(crate) async fn list(
    State(web): State<Arc<Web>>,
    frame: Frame,
    Query(filter): Query<ListFilter>,
) -> Result<Response, Failure> {
    // A number is the execution of that number.
    let number = filter.q.trim().trim_start_matches('#').parse::<ExecutionId>();
    if let Ok(id) = number
        && filter.q.trim().starts_with('#')
        && web.pod.execution(id).await.is_ok()
    {
        return Ok(see_other(&format!("/executions/{id}")));
    }
    let found = find(&web.pod, &filter).await;
    let (found, error) = match found {
        Ok(found) => (found, None),
        Err(FilterError::Invalid(field, sentence)) => (ListPage::default(), Some((field, sentence))),
        Err(FilterError::Pod(error)) => return Err(error.into()),
    };
    let names = web.pod.activity_names().await?;
    let name = |id: ActivityId| names.get(&id).cloned().unwrap_or_else(|| "".into());
    let activities = web.pod.activities().await?;
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = ExecutionsPage {
        frame: &frame,
        activities: activities.iter().map(|view| view.activity.name.to_string()).collect(),
        now: web.pod.now(),
        newer: found.newer.map(|id| filter.at(Some(("after", id)))),
        older: found.older.map(|id| filter.at(Some(("before", id)))),
        searched: found.searched.map(|id| (id, filter.at(Some(("before", id))))),
        first_page: filter.before.is_empty() && filter.after.is_empty(),
        clear: ListFilter::default().at(None),
        rows: found.executions.into_iter().map(|row| Row { activity: name(row.activity), execution: row }).collect(),
        filter: &filter,
        error,
    };
    Ok(frame.page_with(status, &page))
}

/// A page of the list, and where it goes on.
#[derive(Debug, Default)]
struct ListPage {
    executions: Vec<Execution>,
    newer: Option<ExecutionId>,
    older: Option<ExecutionId>,
    searched: Option<ExecutionId>,
}

async fn find(pod: &Pod, filter: &ListFilter) -> Result<ListPage, FilterError> {
    let mut query = filter.to_query(pod).await?;
    let oldest = query.after;
    let from_below = !filter.after.is_empty();
    let mut window_end = None;
    if from_below {
        query.order = SortOrder::Ascending;
        query.after = query.after.max(Some(id_of("after", &filter.after)?));
    } else if filter.searches() {
        // Each page searches a bounded number of executions.
        let top = match query.before {
            Some(before) => before.0,
            None => newest(pod).await?.map_or(0, |id| id.0 + 1),
        };
        let bottom = top.saturating_sub(MAX_SEARCHED + 1);
        if bottom > query.after.map_or(0, |id| id.0) {
            query.after = Some(ExecutionId(bottom));
            window_end = Some(ExecutionId(bottom + 1));
        }
    }
    query.limit = PAGE_SIZE + 1;
    let mut executions = pod.executions(query).await?;
    let more = executions.len() > PAGE_SIZE;
    executions.truncate(PAGE_SIZE);
    if from_below {
        executions.reverse();
    }
    let (first, last) = (executions.first().map(|row| row.id), executions.last().map(|row| row.id));
    let beyond = |id: Option<ExecutionId>| id.filter(|id| id.0 > oldest.map_or(1, |oldest| oldest.0 + 1));
    Ok(ListPage {
        newer: if from_below { first.filter(|_| more) } else { first.filter(|_| !filter.before.is_empty()) },
        older: if from_below { beyond(last) } else { last.filter(|_| more) },
        searched: window_end.filter(|_| !more),
        executions,
    })
}

async fn newest(pod: &Pod) -> Result<Option<ExecutionId>, PodError> {
    let query = ExecutionQuery { limit: 1, ..ExecutionQuery::default() };
    Ok(pod.executions(query).await?.first().map(|row| row.id))
}

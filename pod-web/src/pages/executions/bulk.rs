//! Bulk actions on executions: on the chosen rows, or on all that match the filters of the list. Whatever ends executions
//! or affects all of them is confirmed first.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::{StatusCode, Uri},
    response::Response,
};
use pod_core::{
    Pod,
    domain::{ExecutionId, ExecutionStatus},
    store::ExecutionQuery,
};

use super::filter::{FilterError, ListFilter};
use crate::{
    bulk_jobs::{BulkAction, BulkJob, BulkRequest, Progress},
    failure::Failure,
    flash::{Flash, see_other},
    form::FormData,
    format::{filters, thousands},
    layout::Frame,
    pages::confirm::Confirm,
    web::Web,
};

/// How long the response waits for the job, so that a quick one leads back at once.
const COMPLETION_TIMEOUT: Duration = Duration::from_millis(1500);

/// `POST /executions/bulk`.
pub(crate) async fn bulk(State(web): State<Arc<Web>>, frame: Frame, form_data: FormData) -> Result<Response, Failure> {
    let back = form_data.back("/executions").to_owned();
    let chosen: Vec<ExecutionId> = form_data.all("id").filter_map(|id| id.parse().ok()).collect();
    match form_data.get("do") {
        "retry-all" => all(&web, &frame, &form_data, BulkAction::Retry, back).await,
        "terminate-all" => all(&web, &frame, &form_data, BulkAction::Terminate, back).await,
        "retry" | "terminate" if chosen.is_empty() => {
            Ok(Flash::refused("Choose executions first, by the boxes at their left.").at(&back))
        }
        "retry" => {
            Ok(outcome(BulkAction::Retry, &web.pod.retry_each(&chosen, form_data.key()).await?.into()).at(&back))
        }
        "terminate" if form_data.has("sure") => {
            Ok(outcome(BulkAction::Terminate, &web.pod.terminate_each(&chosen).await?.into()).at(&back))
        }
        "terminate" => ask(&web.pod, &frame, &chosen, back).await,
        other => Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, format!("There is no action {other:?}."))),
    }
}

/// `GET /executions/bulk`: where the form is.
pub(crate) async fn form() -> Response {
    see_other("/executions")
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
    let mut fields = fields("terminate", &back);
    fields.extend(chosen.iter().map(|id| ("id".to_owned(), id.to_string())));
    let (title, sentences) = (question("Terminate", running + waiting, ""), consequences(running, waiting));
    let action = "/executions/bulk".to_owned();
    Ok(Confirm { frame, title, sentences, action, fields, verb: "Terminate", back }.ask())
}

fn fields(what: &str, back: &str) -> Vec<(String, String)> {
    [("do", what), ("sure", "yes"), ("back", back)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn question(verb: &str, count: u64, rest: &str) -> String {
    match count {
        1 => format!("{verb} 1 execution{rest}?"),
        count => format!("{verb} {} executions{rest}?", thousands(count)),
    }
}

fn consequences(running: u64, waiting: u64) -> Vec<String> {
    let mut sentences = Vec::new();
    if running > 0 {
        let they = match running {
            1 => "1 runs: its program is".to_owned(),
            running => format!("{} run: their programs are", thousands(running)),
        };
        sentences.push(format!("{they} asked to end, and killed after a grace time. What was printed stays."));
    }
    if waiting > 0 {
        let wait = if waiting == 1 { "waits" } else { "wait" };
        sentences.push(format!("{} {wait} and will not run.", thousands(waiting)));
    }
    sentences
}

/// What is done to all that match. The list's address says which; how far its ids reach is fixed when one is asked.
async fn all(
    web: &Web,
    frame: &Frame,
    form_data: &FormData,
    bulk_action: BulkAction,
    back: String,
) -> Result<Response, Failure> {
    let query = match matching(&web.pod, &back).await {
        Ok(query) => query,
        Err(FilterError::Invalid(_, sentence)) => return Ok(Flash::refused(sentence).at(&back)),
        Err(FilterError::Pod(error)) => return Err(error.into()),
    };
    if form_data.has("sure") {
        return begin(web, form_data, bulk_action, query, back).await;
    }
    let newest = ExecutionQuery { limit: 1, ..ExecutionQuery::default() };
    let newest = web.pod.executions(newest).await?.first().map_or(0, |execution| execution.id.0);
    let query = ExecutionQuery { before: Some(ExecutionId(newest + 1)), ..query };
    let which = match filter_at(&back).in_words().as_str() {
        "" => "These are all that there are; the list has no filter.".to_owned(),
        words => format!("All that match: {words}."),
    };
    let count = async |status| {
        let query = ExecutionQuery { status: query.status.or(Some(status)), ended: Some(false), ..query.clone() };
        if query.status == Some(status) { web.pod.count_executions(query).await } else { Ok(0) }
    };
    let (total, mut sentences) = match bulk_action {
        BulkAction::Retry => {
            let ended = ExecutionQuery { ended: Some(true), ..query.clone() };
            let again = "Each one becomes a new execution with the same input, behind what waits already.".to_owned();
            (web.pod.count_executions(ended).await?, vec![again])
        }
        BulkAction::Terminate => {
            let (running, waiting) = (count(ExecutionStatus::Running).await?, count(ExecutionStatus::Waiting).await?);
            (running + waiting, consequences(running, waiting))
        }
    };
    if total == 0 {
        let none = match bulk_action {
            BulkAction::Retry => "None of those that match has ended; there is nothing to run again.",
            BulkAction::Terminate => "None of those that match waits or runs; there is nothing to terminate.",
        };
        return Ok(Flash::refused(none).at(&back));
    }
    sentences.insert(0, which);
    sentences.push("What is submitted from now on is left alone.".to_owned());
    let (what, title, verb) = match bulk_action {
        BulkAction::Retry => ("retry-all", question("Run", total, " again"), "Run again"),
        BulkAction::Terminate => ("terminate-all", question("Terminate", total, ""), "Terminate"),
    };
    let mut fields = fields(what, &back);
    // Sent twice, it is done once. Another who asks at the same moment asks for something else.
    let name = format!("{}-{newest}-{}", web.pod.now().0, uuid::Uuid::new_v4().as_fields().0);
    for (field, value) in [("name", name), ("upto", newest.to_string()), ("total", total.to_string())] {
        fields.push((field.to_owned(), value));
    }
    let action = "/executions/bulk".to_owned();
    Ok(Confirm { frame, title, sentences, action, fields, verb, back }.ask())
}

/// The filters of the list at an address of ours.
fn filter_at(place: &str) -> ListFilter {
    let uri = place.parse::<Uri>().unwrap_or_default();
    let Query(filter) = Query::<ListFilter>::try_from_uri(&uri).unwrap_or_default();
    ListFilter { before: String::new(), after: String::new(), ..filter }
}

async fn matching(pod: &Pod, place: &str) -> Result<ExecutionQuery, FilterError> {
    filter_at(place).to_query(pod).await
}

async fn begin(
    web: &Web,
    form_data: &FormData,
    bulk_action: BulkAction,
    query: ExecutionQuery,
    back: String,
) -> Result<Response, Failure> {
    let (upto, total) = (form_data.get("upto").parse::<u64>(), form_data.get("total").parse());
    let id = form_data.get("name").to_owned();
    let named = !id.is_empty() && id.len() < 60 && id.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let (Ok(upto), Ok(total), true) = (upto, total, named) else {
        let sentence = "The form lacks something. Go back to the list and ask again.";
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, sentence));
    };
    let last = ExecutionId(upto.min(i64::MAX as u64 - 2) + 1);
    let query = ExecutionQuery { before: Some(query.before.map_or(last, |before| before.min(last))), ..query };
    let place = format!("/executions/bulk/{id}");
    let request = BulkRequest { id, action: bulk_action, query, total, back: back.clone() };
    let Some(job) = web.jobs.begin(&web.pod, &web.shutdown, request) else {
        let sentence = "Four such requests are being carried out already. Wait until one of them has ended.";
        return Ok(Flash::refused(sentence).at(&back));
    };
    let progress = job.ended_within(COMPLETION_TIMEOUT).await;
    match &progress.end {
        Some(Ok(())) => Ok(outcome(job.request.action, &progress).at(&job.request.back)),
        _ => Ok(see_other(&place)),
    }
}

fn outcome(bulk_action: BulkAction, progress: &Progress) -> Flash {
    let (done, refused) = (progress.done, progress.refused);
    let mut flash = match bulk_action {
        BulkAction::Terminate => {
            outcome_message(done, refused, "is being terminated", "are being terminated", "had already ended")
        }
        BulkAction::Retry => outcome_message(done, refused, "runs again", "run again", "could not be run again"),
    };
    if let (Some(why), BulkAction::Retry) = (&progress.why, bulk_action) {
        flash.text.push(' ');
        flash.text.push_str(why);
    }
    flash
}

#[derive(Debug, Template)]
#[template(path = "bulk.html")]
struct ProgressPage<'a> {
    frame: &'a Frame,
    job: &'a BulkJob,
    progress: Progress,
}

impl ProgressPage<'_> {
    fn title(&self) -> String {
        let title = match self.job.request.action {
            BulkAction::Terminate => question("Terminate", self.job.request.total, ""),
            BulkAction::Retry => question("Run", self.job.request.total, " again"),
        };
        title.trim_end_matches('?').to_owned()
    }

    fn gone_through(&self) -> u64 {
        self.progress.done + self.progress.refused
    }

    fn most(&self) -> u64 {
        self.job.request.total.max(self.gone_through()).max(1)
    }

    fn summary(&self) -> String {
        outcome(self.job.request.action, &self.progress).text
    }
}

/// `GET /executions/bulk/{id}`: the progress of a job.
pub(crate) async fn progress(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    frame: Frame,
) -> Result<Response, Failure> {
    let job = web.jobs.get(&id).ok_or_else(|| {
        Failure::missing(
            "This is not remembered any more. The list of executions shows what came of it; to go on, ask again.",
        )
    })?;
    let progress = job.progress();
    Ok(frame.page(&ProgressPage { frame: &frame, job: &job, progress }))
}

fn outcome_message(done: u64, not: u64, one: &str, many: &str, otherwise: &str) -> Flash {
    let mut text = match done {
        0 => "Nothing was done.".to_owned(),
        1 => format!("1 execution {one}."),
        done => format!("{} executions {many}.", thousands(done)),
    };
    if not > 0 {
        text.push_str(&format!(" {} {otherwise}.", thousands(not)));
    }
    if done > 0 { Flash::done(text) } else { Flash::refused(text) }
}

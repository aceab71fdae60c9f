//! The page of an activity: its state, its content, its executions, and a form to run it.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
};
use pod_core::{
    ActivityView, MAX_BATCH, Pod, PodError, Submitted,
    domain::{
        ActivityStatus, Execution, ExecutionStatus, Installation, InstallationStatus, Isolation, Network, NewExecution,
        OnLost, Payload, Revision, RevisionNo, ScriptSource, Timestamp, Workdir, WorkerId,
    },
    store::{ExecutionQuery, InstallLog},
};
use serde::Deserialize;

use crate::{
    failure::Failure,
    flash::{Flash, see_other},
    form::FormData,
    format::{activity_address, filters, thousands},
    layout::Frame,
    pages::{
        activities,
        chart::DurationChart,
        confirm::Confirm,
        executions::Row,
        script_diff::{DiffLine, diff},
    },
    sentence::sentence,
    web::Web,
};

/// How many of its executions are shown.
const MAX_SHOWN_EXECUTIONS: usize = 10;
/// How much of a script is shown.
const MAX_SCRIPT_LEN: usize = 64 << 10;
/// How much of the end of an installation's output is shown.
const MAX_LOG_LEN: usize = 64 << 10;

#[derive(Debug, Template)]
#[template(path = "activity.html")]
struct ActivityPage<'a> {
    frame: &'a Frame,
    view: ActivityView,
    rows: Vec<Row>,
    now: Timestamp,
    chart: Option<DurationChart>,
    script: Option<String>,
    cut: bool,
    archive: Option<u64>,
    diff: Vec<DiffLine>,
    /// The installation that verifies the newest revision, with its output so far.
    verification: Option<(Installation, String)>,
    input: String,
    run_error: Option<String>,
}

impl ActivityPage<'_> {
    fn success(&self) -> String {
        activities::success(&self.view).unwrap_or_else(|| "–".to_owned())
    }

    fn installed(&self) -> usize {
        activities::installed(&self.view)
    }

    fn takes_executions(&self) -> bool {
        matches!(self.view.activity.status, ActivityStatus::Verifying | ActivityStatus::Approved)
    }

    fn url(&self) -> Option<&str> {
        match &self.view.activity.source {
            ScriptSource::Url(url) => Some(url),
            _ => None,
        }
    }

    /// Whether something is going on that has no events: the page looks again by itself.
    fn is_in_motion(&self) -> bool {
        use pod_core::domain::RevisionStatus;
        let verifying = |revision: &Revision| revision.status == RevisionStatus::Verifying;
        let installing = |installation: &Installation| installation.status == InstallationStatus::Installing;
        self.view.revisions.iter().any(verifying) || self.view.installations.iter().any(installing)
    }
}

/// `GET /activities/{name}/run`: where the form is.
pub(crate) async fn form(Path(name): Path<String>) -> Response {
    see_other(&activity_address(&name))
}

/// `GET /activities/{name}`.
pub(crate) async fn show(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    frame: Frame,
) -> Result<Response, Failure> {
    page(&web, &frame, &name, String::new(), None).await
}

async fn page(
    web: &Web,
    frame: &Frame,
    name: &str,
    input: String,
    run_error: Option<String>,
) -> Result<Response, Failure> {
    let view = web.pod.activity(name).await?;
    let activity = &view.activity;
    let query =
        ExecutionQuery { activity: Some(activity.id), limit: MAX_SHOWN_EXECUTIONS, ..ExecutionQuery::default() };
    let executions: Vec<Execution> = web.pod.executions(query).await?;
    let shown: Arc<str> = activity.name.as_str().into();
    let newest = web.pod.payload(activity.id, activity.latest).await?;
    let (mut script, mut archive, mut cut) = (None, None, false);
    match &newest {
        Some(Payload::Script(bytes)) => {
            cut = bytes.len() > MAX_SCRIPT_LEN;
            script = Some(String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_SCRIPT_LEN)]).into_owned());
        }
        Some(Payload::Archive(bytes)) => archive = Some(bytes.len() as u64),
        None => {}
    }
    let serving = if activity.latest == activity.revision {
        None
    } else {
        web.pod.payload(activity.id, activity.revision).await?
    };
    let diff = match (&serving, &newest) {
        (Some(Payload::Script(old)), Some(Payload::Script(new))) => {
            diff(&String::from_utf8_lossy(old), &String::from_utf8_lossy(new))
        }
        _ => Vec::new(),
    };
    let verification = match verifying(&view) {
        None => None,
        Some(installation) => Some((installation.clone(), log_of(web, installation).await?)),
    };
    let status = if run_error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = ActivityPage {
        frame,
        rows: executions.into_iter().map(|execution| Row { execution, activity: shown.clone() }).collect(),
        now: web.pod.now(),
        chart: DurationChart::of(&view.recent_durations),
        script,
        cut,
        archive,
        diff,
        verification,
        view,
        input,
        run_error,
    };
    Ok(frame.page_with(status, &page))
}

/// The installation that verifies the newest revision, or that failed to.
fn verifying(view: &ActivityView) -> Option<&Installation> {
    use pod_core::domain::RevisionStatus::{Rejected, Verifying};
    let newest = view.revisions.last().filter(|revision| matches!(revision.status, Verifying | Rejected))?;
    view.installations.iter().filter(|installation| installation.revision == newest.no).max_by_key(|it| it.changed_at)
}

async fn log_of(web: &Web, installation: &Installation) -> Result<String, PodError> {
    let Installation { worker, activity, revision, .. } = *installation;
    let log = web.pod.install_log(InstallLog { worker, activity, revision }).await?;
    let from = log.len().saturating_sub(MAX_LOG_LEN);
    Ok(String::from_utf8_lossy(&log[from..]).into_owned())
}

/// `POST /activities/{name}/run`: one execution with what was typed or the file; or one for each line.
pub(crate) async fn run(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    frame: Frame,
    form_data: FormData,
) -> Result<Response, Failure> {
    let file = form_data.get("file");
    let input = if file.is_empty() { form_data.get("input") } else { file };
    let started = if form_data.get("each") == "line" {
        start_lines(&form_data.on(&web.pod), &name, input).await
    } else {
        let new = NewExecution::new(&name);
        let new = if input.is_empty() { new } else { new.input(input) };
        form_data.on(&web.pod).submit(new).await.map(|Submitted { id, deduplicated, .. }| {
            let said = if deduplicated {
                format!("This was sent twice and started once: execution #{id} of {name}.")
            } else {
                format!("Execution #{id} of {name} was submitted.")
            };
            Flash::done(said).at(&format!("/executions/{id}"))
        })
    };
    match started {
        Ok(response) => Ok(response),
        Err(error @ (PodError::InvalidInput(_) | PodError::Invalid(_) | PodError::NotOpen { .. })) => {
            // A file is not put into the field: only what was typed is.
            let typed = form_data.get("input").to_owned();
            page(&web, &frame, &name, typed, Some(sentence(&error))).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn start_lines(pod: &Pod, name: &str, text: &str) -> Result<Response, PodError> {
    let inputs: Vec<Option<String>> =
        // One more than are taken, so that what is too much is refused, and not kept.
        text.lines().filter(|line| !line.is_empty()).take(MAX_BATCH + 1).map(|line| Some(line.into())).collect();
    if inputs.is_empty() {
        return Err(PodError::Invalid("There is no line in the input. Type one for each execution.".to_owned()));
    }
    let ids = pod.start_many(name, inputs, None).await?;
    let said = match (ids.first(), ids.last()) {
        (Some(first), Some(last)) if first != last => {
            format!("{} executions of {name} were submitted, #{first} to #{last}.", thousands(ids.len() as u64))
        }
        _ => format!("1 execution of {name} was submitted."),
    };
    let mut query = url::form_urlencoded::Serializer::for_suffix("/executions?".to_owned(), "/executions?".len());
    query.append_pair("activity", name);
    Ok(Flash::done(said).at(&query.finish()))
}

/// `GET /activities/{name}/delete`: the question.
pub(crate) async fn ask_delete(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    frame: Frame,
) -> Result<Response, Failure> {
    let view = web.pod.activity(&name).await?;
    let count = |status: ExecutionStatus| view.counts[status as usize];
    let mut sentences = Vec::new();
    match count(ExecutionStatus::Running) {
        0 => {}
        1 => sentences.push("1 running execution finishes first.".to_owned()),
        running => sentences.push(format!("{} running executions finish first.", thousands(running))),
    }
    match count(ExecutionStatus::Waiting) {
        0 => {}
        1 => sentences.push("1 waiting execution ends as failed.".to_owned()),
        waiting => sentences.push(format!("{} waiting executions end as failed.", thousands(waiting))),
    }
    sentences
        .push("It is removed from every worker. What its executions printed stays for the retention time.".to_owned());
    let address = activity_address(&name);
    Ok(Confirm {
        frame: &frame,
        title: format!("Delete {name}?"),
        sentences,
        action: format!("{address}/delete"),
        fields: Vec::new(),
        verb: "Delete",
        back: address,
    }
    .ask())
}

/// `POST /activities/{name}/delete`.
pub(crate) async fn delete(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    form_data: FormData,
) -> Result<Response, Failure> {
    match form_data.on(&web.pod).delete_activity(&name).await {
        Ok(_) => Ok(Flash::done(format!("{name} is being removed from the workers.")).at("/activities")),
        Err(error @ PodError::NotDeletable(_)) => {
            let said = format!("{} Wait until it is verified, then delete it.", sentence(&error));
            Ok(Flash::refused(said).at(&activity_address(&name)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The query of an installation's page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct InstallationQuery {
    revision: String,
}

#[derive(Debug, Template)]
#[template(path = "installation.html")]
struct InstallationPage<'a> {
    frame: &'a Frame,
    name: &'a str,
    installation: Installation,
    log: String,
}

/// `GET /activities/{name}/installations/{worker}`.
pub(crate) async fn installation(
    State(web): State<Arc<Web>>,
    Path((name, worker)): Path<(String, String)>,
    Query(query): Query<InstallationQuery>,
    frame: Frame,
) -> Result<Response, Failure> {
    let view = web.pod.activity(&name).await?;
    let worker = worker.parse::<WorkerId>().ok();
    let revision = query.revision.parse::<RevisionNo>().unwrap_or(view.activity.latest);
    let found = view.installations.iter().find(|it| Some(it.worker) == worker && it.revision == revision);
    let installation = found.cloned().ok_or_else(|| {
        Failure::missing(format!("Revision {revision} of {name} is not, or no longer, on that worker."))
    })?;
    let log = log_of(&web, &installation).await?;
    Ok(frame.page(&InstallationPage { frame: &frame, name: &name, installation, log }))
}

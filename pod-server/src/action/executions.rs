//! `newExecution`, `getExecutionStatus`, `terminateExecution`.

use std::time::Duration;

use axum::response::IntoResponse;

use pod_core::{
    PodError,
    domain::{Execution, ExecutionId, NewExecution},
};

use super::{
    answer::{ActionError, Answer, answer},
    full_result::{ExecutionView, FullResult},
    objects::ExecutionObject,
    params::{GivenId, Params},
};
use crate::{api::request::unknown_activity, serve::app::App};

pub(super) async fn create(app: &App, params: &Params<'_>, idempotency_key: Option<String>) -> Answer {
    let name = params.need("name")?;
    let mut new = NewExecution { idempotency_key, ..NewExecution::new(name) };
    if let Some(input) = params.get("input") {
        new = new.input(input);
    }
    let submitted = app.pod.submit(new).await.map_err(unknown_activity)?;
    let mut execution = ExecutionObject::of(&submitted.execution, name);
    execution.standing.predicted_time = submitted.eta.map(|millis| millis.0);
    let event = submitted.launching_worker.then_some("launchingWorker");
    Ok(answer(&ExecutionView { execution, event }))
}

/// Shows an execution with its output so far. Of one that has ended, the result is handed out once.
pub(super) async fn show(app: &App, params: &Params<'_>) -> Answer {
    let id = match params.need_id("executionId")? {
        GivenId::Id(id) => id,
        GivenId::OutOfRange(text) => return Err(unknown_execution(&text)),
    };
    let execution = match app.pod.execution(id).await {
        Ok(execution) if !execution.retrieved => execution,
        Ok(_) | Err(PodError::NoSuchExecution(_)) => return Err(unknown_execution(&id)),
        Err(error) => return Err(error.into()),
    };
    let names = app.pod.activity_names().await?;
    let name = names.get(&execution.activity).map_or("", |name| name);
    let has_ended = execution.status.is_terminal();
    // Read first: a result whose output cannot be read is not consumed.
    let body = FullResult::of(&app.pod, execution, name).await?.begin().await?;
    if has_ended {
        match app.pod.take_result(id).await {
            Ok(_) => {}
            Err(PodError::AlreadyRetrieved(_) | PodError::NoSuchExecution(_)) => return Err(unknown_execution(&id)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(body.into_response())
}

/// The sentence for an execution that this API does not know, or not any more.
fn unknown_execution(id: &impl std::fmt::Display) -> ActionError {
    ActionError::Sentence(format!(
        "Execution with id {id} doesn't exist, its result has already been retrieved or it expired"
    ))
}

/// Ends an execution; answers when its whole process tree is gone, or the time for that is over.
pub(super) async fn terminate(app: &App, params: &Params<'_>) -> Answer {
    let GivenId::Id(id) = params.need_id("executionId")? else { return Err(not_processed()) };
    match app.pod.request_termination(id).await {
        Ok(_) => {}
        Err(PodError::NoSuchExecution(_) | PodError::AlreadyEnded(_)) => return Err(not_processed()),
        Err(error) => return Err(error.into()),
    }
    let execution = ended(app, id).await?;
    let names = app.pod.activity_names().await?;
    let name = names.get(&execution.activity).map_or("", |name| name);
    Ok(answer(&ExecutionView { execution: ExecutionObject::of(&execution, name), event: None }))
}

async fn ended(app: &App, id: ExecutionId) -> Result<Execution, PodError> {
    app.pod.wait_for(id, app.limits.grace_period.as_duration() + Duration::from_secs(5)).await
}

fn not_processed() -> ActionError {
    ActionError::sentence("The given execution wasn't being processed")
}

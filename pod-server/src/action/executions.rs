//! `newExecution`, `getExecutionStatus`, `terminateExecution`.

use std::{borrow::Cow, time::Duration};

use pod_core::{
    PodError,
    domain::{AttemptNo, Execution, ExecutionId, Gap, NewExecution, Stream},
};
use serde::Serialize;

use super::{
    answer::{ActionError, Answer, answer},
    objects::ExecutionObject,
    params::{GivenId, Params},
};
use crate::{api::request::unknown_activity, serve::App};

/// How much is read from the store at a time.
const PIECE: usize = 1 << 20;

#[derive(Serialize)]
struct Shown<'a> {
    execution: ExecutionObject<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
}

pub(super) async fn create(app: &App, params: &Params<'_>) -> Answer {
    let name = params.need("name")?;
    let mut new = NewExecution::of(name);
    if let Some(input) = params.get("input") {
        new = new.input(input);
    }
    let submitted = app.pod.submit(new).await.map_err(unknown_activity)?;
    let mut execution = ExecutionObject::of(&submitted.execution, name);
    execution.predicted_time = submitted.predicted.map(|millis| millis.0);
    let event = submitted.launching_worker.then_some("launchingWorker");
    Ok(answer(&Shown { execution, event }))
}

/// Shows an execution with its output so far. Of one that has ended, the result is handed out once.
pub(super) async fn show(app: &App, params: &Params<'_>) -> Answer {
    let id = match params.need_id("executionId")? {
        GivenId::Id(id) => id,
        GivenId::OutOfRange(text) => return Err(gone(&text)),
    };
    let execution = match app.pod.execution(id).await {
        Ok(execution) if !execution.retrieved => execution,
        Ok(_) | Err(PodError::NoSuchExecution(_)) => return Err(gone(&id)),
        Err(error) => return Err(error.into()),
    };
    // Whole outputs are in memory while they are read and written as JSON: only a few large ones at a time.
    let _turn = app.whole_outputs.acquire().await;
    // Read first: a result whose output could not be read is not consumed.
    let stdout = whole_output(app, &execution, Stream::Stdout).await?;
    let stderr = whole_output(app, &execution, Stream::Stderr).await?;
    let execution = if execution.status.is_terminal() {
        match app.pod.retrieve(id).await {
            Ok(execution) => execution,
            Err(PodError::AlreadyRetrieved(_) | PodError::NoSuchExecution(_)) => return Err(gone(&id)),
            Err(error) => return Err(error.into()),
        }
    } else {
        execution
    };
    let names = app.pod.activity_names().await?;
    let (stdout_text, stderr_text) = (stdout.text(), stderr.text());
    let mut shown = ExecutionObject::of(&execution, names.get(&execution.activity).map_or("", |name| name));
    (shown.stdout, shown.stderr) = (Some(&*stdout_text), Some(&*stderr_text));
    (shown.stdout_gap, shown.stderr_gap) = (stdout.gap.map(Into::into), stderr.gap.map(Into::into));
    Ok(answer(&Shown { execution: shown, event: None }))
}

/// The sentence for an execution that this API does not know, or not any more.
fn gone(id: &impl std::fmt::Display) -> ActionError {
    ActionError::Sentence(format!(
        "Execution with id {id} doesn't exist, its result has already been retrieved or it expired"
    ))
}

/// Everything that a stream of the latest attempt holds.
struct Output {
    bytes: Vec<u8>,
    gap: Option<Gap>,
}

impl Output {
    /// As JSON can carry it: what is not UTF-8 is replaced. `/api/v1` has the bytes themselves.
    fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

async fn whole_output(app: &App, execution: &Execution, stream: Stream) -> Result<Output, PodError> {
    let mut output = Output { bytes: Vec::new(), gap: None };
    if execution.attempt == AttemptNo(0) {
        return Ok(output);
    }
    let mut offset = 0;
    loop {
        let slice = app.pod.read_output(execution.id, execution.attempt, stream, offset, PIECE).await?;
        if slice.bytes.is_empty() {
            return Ok(output);
        }
        if slice.offset > offset {
            output.gap = Some(Gap { start: offset, end: slice.offset });
        }
        offset = slice.offset + slice.bytes.len() as u64;
        output.bytes.extend_from_slice(&slice.bytes);
    }
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
    Ok(answer(&Shown { execution: ExecutionObject::of(&execution, name), event: None }))
}

async fn ended(app: &App, id: ExecutionId) -> Result<Execution, PodError> {
    app.pod.wait_for(id, app.limits.grace.as_duration() + Duration::from_secs(5)).await
}

fn not_processed() -> ActionError {
    ActionError::sentence("The given execution wasn't being processed")
}

//! `/executions`: submit one or many, show, list, wait, terminate, retry, explain.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use pod_core::{
    MAX_BATCH, Submitted,
    domain::{Execution, ExecutionId, NewExecution},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    body::json,
    bounded::Truncated,
    changing::{Change, JsonContent, Nothing},
    filter::FilterQuery,
    objects::{ExecutionObject, ExplanationObject},
    openapi::bodies::Input,
    page::{self, Page},
    problem::Problem,
    request::{Segment, StrictQuery, unknown_activity},
    revisions::{RetryBody, RevisionMember, RevisionNumberOrLatest},
};
use crate::serve::app::App;

/// An execution to be started.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewExecution, examples(json!({ "activity": "thumbs", "input": "cat.png" })))]
pub(crate) struct ExecutionBody {
    /// The name of the activity.
    activity: String,
    /// The argument of main.sh; run without one when absent.
    #[schema(pattern = "^[^\\u0000]*$")]
    input: Option<String>,
    /// Which revision of the activity: its number, or `latest`. The current one when absent.
    #[serde(default)]
    #[schema(value_type = RevisionNumberOrLatest)]
    revision: RevisionMember,
}

/// Many executions to be started.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewExecutions, examples(json!({ "activity": "thumbs", "inputs": ["cat.png", "dog.png", null] })))]
pub(crate) struct BatchBody {
    /// The name of the activity.
    activity: String,
    /// An execution each; `null` for one without input. 1 to 100,000.
    #[schema(value_type = Vec<Input>, min_items = 1, max_items = 100_000)]
    pub(super) inputs: Truncated<Option<String>, MAX_BATCH>,
    /// Which revision of the activity: its number, or `latest`. The current one when absent.
    #[serde(default)]
    #[schema(value_type = RevisionNumberOrLatest)]
    revision: RevisionMember,
}

/// The executions that a batch made, in the order of its inputs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExecutionIds, examples(json!({ "ids": [17, 18, 19] })))]
pub(crate) struct BatchAnswer {
    #[schema(value_type = Vec<u64>)]
    ids: Vec<ExecutionId>,
}

/// How long `?wait=` may hold a request.
const MAX_WAIT_SECONDS: f64 = 3600.0;

impl JsonContent for ExecutionBody {
    fn limit(app: &App) -> usize {
        // A control character takes six bytes in JSON.
        app.limits.max_input * 6 + (64 << 10)
    }
}

impl JsonContent for BatchBody {
    fn limit(_: &App) -> usize {
        64 << 20
    }
}

/// Starts an execution. The same `Idempotency-Key` and body again give the same execution.
#[utoipa::path(post, path = "/executions", operation_id = "createExecution", tag = "executions", request_body = ExecutionBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$",
        description = "Makes the request repeatable: sent again with the same key, it is done once")), responses(
    (status = 201, body = ExecutionObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 422, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn create(State(app): State<Arc<App>>, change: Change<ExecutionBody>) -> Result<Response, Problem> {
    let pod = change.on(&app.pod);
    let body = change.body;
    let name = body.activity.clone();
    let RevisionMember(revision) = body.revision;
    let new = NewExecution { revision, input: body.input, ..NewExecution::new(body.activity) };
    let submitted = pod.submit(new).await.map_err(unknown_activity)?;
    Ok(started(&app, StatusCode::CREATED, &submitted, &name))
}

fn started(app: &App, status: StatusCode, submitted: &Submitted, activity_name: &str) -> Response {
    let mut object = ExecutionObject::of(&submitted.execution, activity_name, app.pod.clock());
    object.predicted_millis = submitted.eta.map(|millis| millis.0);
    let mut response = json(status, &object);
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/executions/{}", submitted.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Starts one execution per input, all or none.
#[utoipa::path(post, path = "/executions/batch", operation_id = "createExecutions", tag = "executions", request_body = BatchBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$",
        description = "Makes the request repeatable: sent again with the same key, it is done once")), responses(
    (status = 201, body = BatchAnswer),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 422, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn create_batch(State(app): State<Arc<App>>, change: Change<BatchBody>) -> Result<Response, Problem> {
    let pod = change.on(&app.pod);
    let body = change.body;
    match body.inputs.count {
        0 => return Err(Problem::invalid("inputs is empty; give an input for each execution")),
        count if count > MAX_BATCH => {
            return Err(Problem::invalid(format!(
                "inputs holds {count} inputs and at most {MAX_BATCH} are taken at once; send them in several requests"
            )));
        }
        _ => {}
    }
    let ids =
        pod.start_many_of(&body.activity, body.revision.0, body.inputs.items, None).await.map_err(unknown_activity)?;
    Ok(json(StatusCode::CREATED, &BatchAnswer { ids }))
}

/// Executions, newest first. Inputs of more than 4 KiB are left out.
#[utoipa::path(get, path = "/executions", operation_id = "listExecutions", tag = "executions", params(FilterQuery), responses(
    (status = 200, body = super::page::ExecutionPage),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 422, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    StrictQuery(query): StrictQuery<FilterQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit()?;
    let query = query.understood(&app.pod, limit + 1).await?;
    let names = app.pod.activity_names().await?;
    let now = app.pod.clock();
    let page = Page::of(page::EXECUTIONS, app.pod.executions(query).await?, limit, |execution| execution.id);
    Ok(json(
        StatusCode::OK,
        &page.map(|execution| {
            ExecutionObject::listed(&execution, names.get(&execution.activity).map_or("", |name| name), now)
        }),
    ))
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Answer when the execution has ended, or after so many seconds; at most 3600.
    #[param(minimum = 0, maximum = 3600)]
    wait: Option<f64>,
}

/// One execution. With `wait`, the answer comes when it has ended or the time is up.
#[utoipa::path(get, path = "/executions/{id}", operation_id = "getExecution", tag = "executions",
    params(("id" = u64, Path, description = "The id of the execution"), WaitQuery), responses(
    (status = 200, body = ExecutionObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    id: Segment,
    StrictQuery(query): StrictQuery<WaitQuery>,
) -> Result<Response, Problem> {
    let id = id.execution_id()?;
    let execution = match query.wait {
        None => app.pod.execution(id).await?,
        Some(seconds) if (0.0..=MAX_WAIT_SECONDS).contains(&seconds) => {
            tokio::select! {
                execution = app.pod.wait_for(id, Duration::from_secs_f64(seconds)) => execution?,
                // The manager shuts down: a waiting client gets the current state, and asks the next manager.
                () = app.shutdown.cancelled() => app.pod.execution(id).await?,
            }
        }
        Some(seconds) => {
            return Err(Problem::invalid(format!("wait must be from 0 to {MAX_WAIT_SECONDS} seconds, not {seconds}")));
        }
    };
    answered(&app, StatusCode::OK, &execution).await
}

async fn answered(app: &App, status: StatusCode, execution: &Execution) -> Result<Response, Problem> {
    let names = app.pod.activity_names().await?;
    let name = names.get(&execution.activity).map_or("", |name| name);
    Ok(json(status, &ExecutionObject::of(execution, name, app.pod.clock())))
}

/// Asks for the end of an execution; its process tree gets TERM, and KILL after the grace time.
#[utoipa::path(post, path = "/executions/{id}/terminate", operation_id = "terminateExecution", tag = "executions",
    params(("id" = u64, Path, description = "The id of the execution")), responses(
    (status = 202, body = ExecutionObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn terminate(State(app): State<Arc<App>>, id: Segment, change: Change) -> Result<Response, Problem> {
    let execution = change.on(&app.pod).request_termination(id.execution_id()?).await?;
    answered(&app, StatusCode::ACCEPTED, &execution).await
}

/// Runs an ended execution again, as a new one, with the revision that it ran. Under the same `Idempotency-Key`, it is
/// the same new one.
#[utoipa::path(post, path = "/executions/{id}/retry", operation_id = "retryExecution", tag = "executions", request_body = Option<RetryBody>,
    params(("id" = u64, Path, description = "The id of the execution"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$",
        description = "Makes the request repeatable: sent again with the same key, it is done once")), responses(
    (status = 202, body = ExecutionObject, description = "The new execution"),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn retry(
    State(app): State<Arc<App>>,
    id: Segment,
    change: Change<RetryBody>,
) -> Result<Response, Problem> {
    let submitted = change.on(&app.pod).retry_idempotent(id.execution_id()?, change.body.revision(), None).await?;
    let names = app.pod.activity_names().await?;
    let name = names.get(&submitted.execution.activity).map_or("", |name| name);
    Ok(started(&app, StatusCode::ACCEPTED, &submitted, name))
}

/// Why an execution waits, or what became of it.
#[utoipa::path(get, path = "/executions/{id}/explain", operation_id = "explainExecution", tag = "executions",
    params(("id" = u64, Path, description = "The id of the execution")), responses(
    (status = 200, body = ExplanationObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    id: Segment,
    _: StrictQuery<Nothing>,
) -> Result<Response, Problem> {
    let explanation = app.pod.explain(id.execution_id()?).await?;
    Ok(json(StatusCode::OK, &ExplanationObject::of(explanation, app.pod.clock())))
}

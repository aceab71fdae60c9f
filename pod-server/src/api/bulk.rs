//! `/executions/terminate` and `/executions/retry`: bulk actions on all executions that match a filter. A request handles
//! one page of them, so that none holds the manager up.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use pod_core::{BulkAction, BulkOutcome, BulkRequest, domain::ExecutionId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    body::json,
    changing::{Change, Content, Nothing},
    filter::FilterQuery,
    page,
    problem::Problem,
    revisions::RetryBody,
};
use crate::serve::app::App;

/// What became of a portion.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Portion)]
pub(crate) struct BulkOutcomeObject {
    /// The executions that are being terminated, or the new ones.
    #[schema(value_type = Vec<u64>)]
    ids: Vec<ExecutionId>,
    /// How many were not as expected any more, or refused.
    refused: u64,
    /// Why the first of those was, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The `cursor` of the next portion; absent after the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl From<BulkOutcome> for BulkOutcomeObject {
    fn from(portion: BulkOutcome) -> Self {
        Self {
            ids: portion.done,
            refused: portion.failed,
            reason: portion.first_error,
            next: portion.next_cursor.map(|next| page::EXECUTIONS.cursor(next)),
        }
    }
}

/// A request without a filter is more likely a mistake than a wish.
fn require_filter(query: &FilterQuery) -> Result<(), Problem> {
    if query.filters() {
        return Ok(());
    }
    Err(Problem::invalid(
        "Name which executions by activity, status, submittedAfter or submittedBefore; all there are is not taken",
    ))
}

/// Asks for the end of executions that match and have not ended, newest first, up to `limit` of them. Go on with
/// `next` as the `cursor`. Sent again, it changes nothing for what has ended.
#[utoipa::path(post, path = "/executions/terminate", operation_id = "terminateExecutions", tag = "executions", params(FilterQuery), responses(
    (status = 202, body = BulkOutcomeObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 422, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn terminate(
    State(app): State<Arc<App>>,
    change: Change<Nothing, FilterQuery>,
) -> Result<Response, Problem> {
    apply_to_matching(&app, &change, BulkAction::Terminate).await
}

async fn apply_to_matching<B: Content>(
    app: &App,
    change: &Change<B, FilterQuery>,
    act: BulkAction,
) -> Result<Response, Problem> {
    let filter = &change.query;
    require_filter(filter)?;
    let (limit, portion) = (filter.limit()?, filter.before()?);
    let query = filter.understood(&app.pod, limit);
    let portion = match (change.key(), act) {
        (Some(key), act) => {
            let asked = BulkRequest { key: key.to_owned(), words: filter.words(), portion };
            app.pod.many_once(asked, act, query).await?
        }
        (None, BulkAction::Terminate) => app.pod.terminate_matching(query.await?).await?,
        (None, BulkAction::Retry(revision)) => app.pod.retry_matching(query.await?, revision, None).await?,
    };
    Ok(json(StatusCode::ACCEPTED, &BulkOutcomeObject::from(portion)))
}

/// Runs executions that match and have ended again, as new ones, newest portion first. Go on with `next` as the
/// `cursor`. Each runs the revision that it ran, unless `latest` is asked for. Under the same `Idempotency-Key`, none is
/// run again twice.
#[utoipa::path(post, path = "/executions/retry", operation_id = "retryExecutions", tag = "executions", request_body = Option<RetryBody>,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$",
        description = "Makes the request repeatable: sent again with the same key, it is done once"), FilterQuery),
    responses(
    (status = 202, body = BulkOutcomeObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 422, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn retry(
    State(app): State<Arc<App>>,
    change: Change<RetryBody, FilterQuery>,
) -> Result<Response, Problem> {
    let revision = change.body.revision();
    apply_to_matching(&app, &change, BulkAction::Retry(revision)).await
}

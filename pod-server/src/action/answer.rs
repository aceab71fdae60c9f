//! Answers of the action API: `200` and JSON, also for an error; only refusals have a status of their own.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use pod_core::{PodError, store::StoreError};
use serde::Serialize;
use serde_json::json;

use super::params::ParamError;
use crate::api::{
    body,
    problem::{Problem, ProblemKind},
};

/// What an action answers with.
pub(super) type Answer = Result<Response, ActionError>;

/// Why an action was not carried out.
#[derive(Debug)]
pub(super) enum ActionError {
    /// The request is at fault: `200` with the sentence.
    Sentence(String),
    /// The manager cannot take it: a status of its own.
    Refused(Problem),
}

impl ActionError {
    pub(super) fn sentence(text: impl Into<String>) -> Self {
        Self::Sentence(text.into())
    }
}

/// A `200` with this object.
pub(super) fn answer<T: Serialize>(value: &T) -> Response {
    body::json(StatusCode::OK, value)
}

/// A refusal: the problem's status with `{"error"}`.
pub(crate) fn refusal(problem: &Problem) -> Response {
    let mut refused = problem.clone().into_response();
    let said = body::json(problem.kind.status(), &json!({ "error": problem.detail }));
    // The headers that go with the status stay.
    let (parts, text) = said.into_parts();
    refused.headers_mut().extend(parts.headers);
    refused.map(|_| text)
}

impl IntoResponse for ActionError {
    fn into_response(self) -> Response {
        match self {
            Self::Sentence(error) => answer(&json!({ "error": error })),
            Self::Refused(problem) => refusal(&problem),
        }
    }
}

impl From<ParamError> for ActionError {
    fn from(error: ParamError) -> Self {
        Self::Sentence(error.to_string())
    }
}

impl From<Problem> for ActionError {
    /// Those of reading a body. What has no status on this API is a sentence.
    fn from(problem: Problem) -> Self {
        match problem.kind {
            ProblemKind::TooLarge => Self::Refused(problem),
            _ => Self::Sentence(problem.detail),
        }
    }
}

impl From<PodError> for ActionError {
    fn from(error: PodError) -> Self {
        match &error {
            PodError::Overloaded
            | PodError::Stopped
            | PodError::Crashed(_)
            | PodError::Store(StoreError::Unavailable(_) | StoreError::Fenced) => Self::Refused(error.into()),
            // This API knows 503 for it, not the 507 of the other one.
            PodError::Store(StoreError::Full(_)) => {
                Self::Refused(Problem::new(ProblemKind::Overloaded, error.to_string()))
            }
            PodError::Store(_) => Self::Sentence(Problem::from(error).detail),
            _ => Self::Sentence(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_are_200_and_refusals_are_not() {
        for (error, status) in [
            (ActionError::from(PodError::NoSuchActivity("a".to_owned())), 200),
            (ActionError::from(ParamError::Missing("name")), 200),
            (ActionError::from(PodError::Overloaded), 503),
            (ActionError::from(PodError::Store(StoreError::Full("disk".into()))), 503),
            (ActionError::from(Problem::new(ProblemKind::TooLarge, "x")), 413),
            (ActionError::Refused(Problem::new(ProblemKind::TokenNeeded, "x")), 401),
        ] {
            let response = error.into_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()["content-type"], "application/json");
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(value["error"].is_string() && value.as_object().unwrap().len() == 1, "{value}");
        }
    }
}

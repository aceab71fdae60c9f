//! The parts of a request beside its body: path segments, the query, the idempotency key.

use std::{fmt::Display, str::FromStr};

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, request::Parts},
};
use pod_core::{
    PodError,
    domain::{ExecutionId, InvalidName},
};
use serde::de::DeserializeOwned;

use super::{
    blank::is_blank,
    page::is_storable,
    parse_errors,
    problem::{Problem, ProblemKind},
};

/// The one variable of a path, as text.
#[derive(Debug)]
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(Problem::new(ProblemKind::NoSuchRoute, "The path is not valid UTF-8 text")),
        }
    }
}

impl Segment {
    /// The variable as the id of an execution.
    pub(super) fn execution_id(&self) -> Result<ExecutionId, Problem> {
        self.id(ProblemKind::NoSuchExecution, "Execution")
    }

    /// The variable as an id; one that no id can be is not there, as any unknown id is.
    pub(super) fn id<T: FromStr>(&self, kind: ProblemKind, what: impl Display) -> Result<T, Problem> {
        self.0.parse().map_err(|_| {
            let shown: String = self.0.chars().take(40).collect();
            Problem::new(kind, format!("{what} {shown:?} doesn't exist; ids are whole numbers"))
        })
    }
}

/// Maps an invalid name in a look-up to an unknown activity.
pub(crate) fn unknown_activity(error: PodError) -> PodError {
    match error {
        PodError::InvalidName(InvalidName(name)) => PodError::NoSuchActivity(name),
        error => error,
    }
}

/// The parsed query. Unknown parameters are errors where `T` denies them.
#[derive(Debug)]
pub(super) struct StrictQuery<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Problem::invalid(parse_errors::of_query(&rejection.body_text()))),
        }
    }
}

/// The header `Last-Event-ID`, where a reader that reconnects sent it.
pub(super) fn last_event_id<T: FromStr>(headers: &HeaderMap, what: &str) -> Result<Option<T>, Problem> {
    let mut sent = headers.get_all("last-event-id").iter().filter(|id| !id.is_empty());
    let (Some(id), other) = (sent.next(), sent.next()) else { return Ok(None) };
    let id = id.to_str().ok().filter(|_| other.is_none()).and_then(|id| id.parse().ok());
    id.map(Some).ok_or_else(|| Problem::invalid(format!("Last-Event-ID must be {what}, once")))
}

/// A place that a store can hold.
pub(super) fn storable(parameter: &str, place: Option<u64>) -> Result<Option<u64>, Problem> {
    match place {
        Some(place) if !is_storable(place) => {
            Err(Problem::invalid(format!("{parameter} must be at most {}, not {place}", i64::MAX)))
        }
        place => Ok(place),
    }
}

/// The longest idempotency key.
const MAX_KEY_LEN: usize = 255;

/// The header `Idempotency-Key`, where it was sent.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        // A tab, which a header may hold as well, is not printable.
        Ok(key) if !is_blank(key) && key.len() <= MAX_KEY_LEN && !key.contains('\t') => Ok(Some(key.to_owned())),
        _ => Err(Problem::invalid(format!(
            "The header Idempotency-Key must hold 1 to {MAX_KEY_LEN} printable ASCII characters"
        ))),
    }
}

//! Errors of `/api/v1`: RFC 9457 `application/problem+json`, with a `type` that never changes.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use pod_core::{PodError, domain::Isolation, store::StoreError};
use serde::Serialize;

/// Every kind of problem. The name after `urn:pod:problem:` is what clients match on.
macro_rules! kinds {
    ($($kind:ident $name:literal $status:ident $title:literal)*) => {
        /// The code of a problem, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProblemKind {
            $(#[doc = $title] $kind,)*
        }

        impl ProblemKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The `type` member.
            #[must_use]
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$kind => concat!("urn:pod:problem:", $name),)* }
            }

            /// The status of the answer.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// The `title` member.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    TokenNeeded "token-needed" UNAUTHORIZED "A token is needed"
    TooManyTries "too-many-tries" TOO_MANY_REQUESTS "Too many wrong tokens came from this address"
    AnotherUser "another-user" FORBIDDEN "The manager is that of another user"
    TokenTooWeak "token-too-weak" FORBIDDEN "What was shown does not authorise this"
    HostRefused "host-refused" FORBIDDEN "The host name is not one of this manager"
    CrossSite "cross-site" FORBIDDEN "A page of another site made this request"
    NoSuchRoute "no-such-route" NOT_FOUND "There is nothing at this path"
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "The path does not take this method"
    InvalidRequest "invalid-request" UNPROCESSABLE_ENTITY "The request is malformed"
    InvalidName "invalid-name" UNPROCESSABLE_ENTITY "The name is not allowed"
    InvalidInput "invalid-input" UNPROCESSABLE_ENTITY "The input is not allowed"
    InvalidRule "invalid-rule" UNPROCESSABLE_ENTITY "The rules are not allowed"
    UnsupportedMediaType "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "The body is not of a kind that is understood"
    TooSlow "too-slow" REQUEST_TIMEOUT "The request came too slowly"
    TooLarge "too-large" PAYLOAD_TOO_LARGE "The request is too large"
    ActivityExists "activity-exists" CONFLICT "The name of the activity is taken"
    NoSuchActivity "no-such-activity" NOT_FOUND "There is no such activity"
    ActivityNotOpen "activity-not-open" CONFLICT "The activity takes no executions"
    ActivityNotDeletable "activity-not-deletable" CONFLICT "The activity cannot be deleted now"
    NoSuchRevision "no-such-revision" NOT_FOUND "There is no such revision"
    RevisionRejected "revision-rejected" CONFLICT "The revision could not be installed"
    RevisionGone "revision-gone" CONFLICT "The revision is not kept any more"
    NoSuchInstallation "no-such-installation" NOT_FOUND "There is no such installation"
    NoSuchExecution "no-such-execution" NOT_FOUND "There is no such execution"
    NoSuchAttempt "no-such-attempt" NOT_FOUND "There is no such attempt"
    AlreadyEnded "already-ended" CONFLICT "The execution has already ended"
    NotEnded "not-ended" CONFLICT "The execution has not ended"
    AlreadyRetrieved "already-retrieved" CONFLICT "The result was already retrieved"
    IdempotencyConflict "idempotency-conflict" CONFLICT "The idempotency key stands for another request"
    NotAsExpected "not-as-expected" PRECONDITION_FAILED "It is not what the request expects it to be"
    PolicyExists "policy-exists" CONFLICT "The name of the policy is taken"
    NoSuchPolicy "no-such-policy" NOT_FOUND "There is no such policy"
    DefaultPolicy "default-policy" CONFLICT "The default policy stays"
    NoSuchWorker "no-such-worker" NOT_FOUND "There is no such worker"
    WorkerGone "worker-gone" CONFLICT "The worker is gone"
    Overloaded "overloaded" SERVICE_UNAVAILABLE "The manager is overloaded"
    StoreFull "store-full" INSUFFICIENT_STORAGE "There is no space left"
    StoreUnavailable "store-unavailable" SERVICE_UNAVAILABLE "The store does not answer"
    Stopping "stopping" SERVICE_UNAVAILABLE "The manager is shutting down"
    Internal "internal" INTERNAL_SERVER_ERROR "Something went wrong in POD"
}

/// An error answer: the kind for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// What was wrong and what to do, as a sentence.
    pub detail: String,
    /// When it may be tried again, where that is known.
    pub retry_after: Option<Duration>,
}

/// The body of an error answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// The kind of problem; stable.
    #[serde(rename = "type")]
    #[schema(pattern = "^urn:pod:problem:[a-z-]+$", example = "urn:pod:problem:no-such-activity")]
    kind: &'static str,
    /// The kind in words; the same for every problem of the kind.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What was wrong with this request, as a sentence.
    detail: &'a str,
}

impl Problem {
    /// A problem of a kind.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None }
    }

    /// Something in the request that is not allowed.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::InvalidRequest, detail)
    }
}

/// A wait in whole seconds, which is never too short.
pub(crate) fn seconds_of(wait: Duration) -> u64 {
    wait.as_secs() + 1
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { kind, detail, retry_after } = self;
        let status = kind.status();
        let body = ProblemBody { kind: kind.uri(), title: kind.title(), status: status.as_u16(), detail: &detail };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let passes = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(Duration::ZERO);
        if let Some(wait) = retry_after.or(passes) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds_of(wait)));
        }
        response
    }
}

impl From<PodError> for Problem {
    fn from(error: PodError) -> Self {
        let kind = match &error {
            PodError::InvalidName(_) => ProblemKind::InvalidName,
            PodError::InvalidInput(_) => ProblemKind::InvalidInput,
            PodError::InvalidRule(_) => ProblemKind::InvalidRule,
            PodError::Invalid(_) | PodError::IsolationImpossible(_) | PodError::NetworkNeedsIsolation => {
                ProblemKind::InvalidRequest
            }
            PodError::ActivityExists(_) | PodError::BeingRemoved { .. } => ProblemKind::ActivityExists,
            PodError::NoSuchActivity(_) | PodError::ActivityGone { .. } => ProblemKind::NoSuchActivity,
            PodError::NotOpen { .. } => ProblemKind::ActivityNotOpen,
            PodError::NoSuchRevision { .. } => ProblemKind::NoSuchRevision,
            PodError::RevisionRejected { .. } => ProblemKind::RevisionRejected,
            PodError::RevisionGone(_) => ProblemKind::RevisionGone,
            PodError::NotDeletable(_) => ProblemKind::ActivityNotDeletable,
            PodError::NoSuchExecution(_) => ProblemKind::NoSuchExecution,
            PodError::AlreadyEnded(_) => ProblemKind::AlreadyEnded,
            PodError::NotEnded(_) => ProblemKind::NotEnded,
            PodError::AlreadyRetrieved(_) => ProblemKind::AlreadyRetrieved,
            PodError::IdempotencyConflict(_) => ProblemKind::IdempotencyConflict,
            PodError::NotAsExpected { .. } => ProblemKind::NotAsExpected,
            PodError::PolicyExists(_) => ProblemKind::PolicyExists,
            PodError::NoSuchPolicy(_) => ProblemKind::NoSuchPolicy,
            PodError::DefaultPolicy => ProblemKind::DefaultPolicy,
            PodError::NoSuchWorker(_) => ProblemKind::NoSuchWorker,
            PodError::WorkerGone(_) => ProblemKind::WorkerGone,
            PodError::Overloaded => ProblemKind::Overloaded,
            PodError::Store(StoreError::Full(_)) => ProblemKind::StoreFull,
            PodError::Store(StoreError::Unavailable(_)) => ProblemKind::StoreUnavailable,
            // The manager shuts down, and one that is restarted is worth waiting for.
            PodError::Store(StoreError::Fenced) | PodError::Stopped | PodError::Crashed(_) => ProblemKind::Stopping,
            _ => ProblemKind::Internal,
        };
        if kind == ProblemKind::Internal {
            tracing::error!(%error, "a request failed");
        }
        Self::new(kind, format!("{error}{}", spelling(&error)))
    }
}

/// How what an error advises is spelt here; the engine, which others embed, knows neither flags nor members.
const fn spelling(error: &PodError) -> &'static str {
    match error {
        PodError::IsolationImpossible(Isolation::Execution) | PodError::NetworkNeedsIsolation => " (--backend docker)",
        PodError::IsolationImpossible(Isolation::Worker) => " (--docker-manager)",
        PodError::RevisionGone(_) => " (--latest, or \"revision\": \"latest\")",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_type_of_its_own() {
        let mut uris: Vec<&str> = ProblemKind::ALL.iter().map(|kind| kind.uri()).collect();
        uris.sort_unstable();
        let count = uris.len();
        uris.dedup();
        assert_eq!(uris.len(), count);
        assert!(ProblemKind::ALL.iter().all(|kind| kind.status().is_client_error() || kind.status().is_server_error()));
    }
}

//! Which rows a request needs, and how much of a round it takes.

use crate::{
    api::Request,
    domain::{ActivitySource, ExecutionId},
};

/// The execution whose row the planner needs for a request.
pub(super) fn execution_of(request: &Request) -> Option<ExecutionId> {
    match request.wanted() {
        Request::Terminate(id, _) | Request::Retry(id, ..) | Request::Retrieve(id) | Request::Explain(id) => Some(*id),
        _ => None,
    }
}

/// The idempotency key of a request.
pub(super) fn key_of(request: &Request) -> Option<&str> {
    match request {
        Request::Submit(new) => new.idempotency_key.as_deref(),
        Request::SubmitMany { idempotency_key, .. } => idempotency_key.as_deref(),
        Request::Retry(_, _, key) => key.as_deref(),
        Request::OnTerms(terms, _) => terms.key.as_deref(),
        _ => None,
    }
}

/// So many bytes take as much of it as a small request: a round, which is committed at once, has a bounded size.
const ROOM: usize = 32 << 10;

/// How much of a round's room a request takes.
pub(super) fn weight(request: &Request) -> usize {
    match request.wanted() {
        Request::SubmitMany { inputs, .. } => {
            let bytes: usize = inputs.iter().flatten().map(String::len).sum();
            inputs.len() / 8 + bytes / ROOM + 1
        }
        Request::CreateActivity { new, .. } => match &new.content {
            ActivitySource::Script(bytes) | ActivitySource::Archive(bytes) => bytes.len() / ROOM + 1,
            ActivitySource::Url(_) => 1,
        },
        _ => 1,
    }
}

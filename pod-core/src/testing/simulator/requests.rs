//! What users have asked for and wait for.

use std::collections::BTreeMap;

use crate::{api::Request, domain::ExecutionId, plan::ReplyId};

/// What users wait for.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) waiting: BTreeMap<ReplyId, Wanted>,
    pub(super) asked: u64,
    /// The execution that a key stands for, as whoever asked with it was told.
    pub(super) keys: BTreeMap<String, ExecutionId>,
}

/// What somebody wants, and asks for again until it is answered.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) request: Request,
    pub(super) sha256: String,
    /// Whoever asks has asked before.
    pub(super) again: bool,
}

impl Requests {
    /// Who asked is told nothing: the manager is gone. Gives what is asked for again.
    pub(super) fn forget(&mut self) -> Vec<Wanted> {
        std::mem::take(&mut self.waiting).into_values().filter(Wanted::is_repeated).collect()
    }
}

impl Wanted {
    /// Whoever registers an activity, or has a key, asks again.
    pub(super) const fn is_repeated(&self) -> bool {
        match &self.request {
            Request::CreateActivity { .. } | Request::PutPolicy { .. } => true,
            Request::Submit(new) => new.idempotency_key.is_some(),
            _ => false,
        }
    }

    pub(super) fn key(&self) -> Option<&str> {
        match &self.request {
            Request::Submit(new) => new.idempotency_key.as_deref(),
            _ => None,
        }
    }
}

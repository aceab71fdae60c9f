//! What is done after a commit, before anything else is taken; and what its answer is waited for.

use std::sync::Arc;

use super::{action::Action, input::Asked};
use crate::{
    domain::{Age, Millis},
    plan::{Decision, Effect, Refill},
    store::{Batch, StoreError},
};

/// One thing to do, in a moment in which nothing is uncommitted.
#[derive(Debug)]
pub(super) enum Work {
    /// Perform an effect of the round.
    Perform(Effect),
    /// Read on in the queues that run low.
    ReadOn,
    /// Read on in this one.
    Refill(Refill),
    /// Ask whether the store has room.
    LookForRoom,
    /// Take a request, with the rows that it names.
    Take(Box<Asked>),
}

/// What an answer is waited for, or another try.
#[derive(Debug)]
pub(super) enum Waiting {
    /// For the store to take the batch of a round.
    Commit { batch: Arc<Batch>, round: Box<Decision>, retry: Retry },
    /// For the state as the store has it, after it refused a round.
    Load { error: StoreError, retry: Retry },
    /// For more of a queue.
    Queue(Refill),
    /// For executions whose retention time is over.
    Expired,
    /// For whether there is room.
    Room,
    /// For the rows of a request.
    Rows(Box<Asked>),
}

impl Waiting {
    const fn retry(&self) -> Option<&Retry> {
        match self {
            Self::Commit { retry, .. } | Self::Load { retry, .. } => Some(retry),
            _ => None,
        }
    }

    const fn retry_mut(&mut self) -> Option<&mut Retry> {
        match self {
            Self::Commit { retry, .. } | Self::Load { retry, .. } => Some(retry),
            _ => None,
        }
    }

    /// When the same is tried again; nothing while an answer is on its way.
    pub(super) fn next_try_at(&self) -> Option<Age> {
        self.retry()?.at
    }

    /// What is tried again, if that is due. It is under way from now on.
    pub(super) fn next_try(&mut self, now: Age) -> Option<Action> {
        let retry = self.retry_mut()?;
        if retry.at? > now {
            return None;
        }
        retry.at = None;
        match self {
            Self::Commit { batch, .. } => Some(Action::Commit(batch.clone())),
            _ => Some(Action::Load),
        }
    }

    /// The next try need not wait any longer.
    pub(super) fn hasten(&mut self, now: Age) {
        if let Some(at) = self.retry_mut().and_then(|retry| retry.at.as_mut()) {
            *at = now;
        }
    }
}

/// The pauses between tries while the store is away: doubled from the first to the last.
pub(super) const RETRY_DELAYS: (Millis, Millis) = (Millis(50), Millis(2000));
/// How long the end of the manager waits for a store that is away.
const LAST_TRIES: Millis = Millis(5000);

/// When the same is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    pause: Millis,
    /// When the next try is due; nothing while one is under way.
    at: Option<Age>,
    /// Since when the manager has been trying though it ends.
    closing_since: Option<Age>,
}

impl Retry {
    /// A first try that is under way.
    pub(super) const fn begun() -> Self {
        Self { pause: RETRY_DELAYS.0, at: None, closing_since: None }
    }

    /// A first try that is due then.
    pub(super) const fn due(at: Age) -> Self {
        Self { pause: RETRY_DELAYS.0, at: Some(at), closing_since: None }
    }

    /// The next try, after a pause; nothing when the manager ends and has tried for long enough.
    pub(super) fn after_failure(mut self, closing: bool, now: Age) -> Option<(Self, Millis)> {
        let pause = if closing {
            let since = *self.closing_since.get_or_insert(now);
            if now.since(since) >= LAST_TRIES {
                return None;
            }
            RETRY_DELAYS.0
        } else {
            self.pause
        };
        self.pause = Millis(self.pause.0 * 2).min(RETRY_DELAYS.1);
        self.at = Some(now + pause);
        Some((self, pause))
    }
}

//! How a worker is asked to leave.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

/// Asks a worker to leave: it takes nothing new and gives back what has not begun; what runs may end until a moment, is
/// asked to end then (TERM, and KILL after its grace time), and what it came to is delivered. Only then the worker ends.
///
/// Whoever clones it asks the same worker.
#[derive(Clone, Debug, Default)]
pub struct Leave {
    wish: Arc<Wish>,
    /// Nothing is waited for any more.
    at_once: CancellationToken,
    /// Asks for both at once: the way of those who only know how to cancel.
    cancelled: Option<CancellationToken>,
}

#[derive(Debug, Default)]
struct Wish {
    /// Until when what runs may end.
    until: Mutex<Option<Instant>>,
    changed: Notify,
}

impl Leave {
    /// Nobody asks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Leave::new`]; when that token is cancelled, the worker ends as by [`Leave::at_once`].
    #[must_use]
    pub fn ending_with(token: &CancellationToken) -> Self {
        Self { at_once: token.child_token(), ..Self::default() }
    }

    /// Asks the worker to leave; what runs may end for so long. Asked again, the shorter time counts.
    pub fn within(&self, time: Duration) {
        let until = Instant::now() + time.min(Duration::from_secs(u64::from(u32::MAX)));
        let mut wish = self.wish.until.lock().unwrap_or_else(PoisonError::into_inner);
        *wish = Some(wish.map_or(until, |earlier| earlier.min(until)));
        drop(wish);
        self.wish.changed.notify_one();
    }

    /// Asks the worker to end with what it runs: KILL, and no waiting. What it came to is told as far as there is a link.
    pub fn at_once(&self) {
        self.at_once.cancel();
    }

    /// Waits until something is asked that is more than `known`. Cancellation safe.
    pub(super) async fn asked(&self, known: Option<Asked>) -> Asked {
        if known == Some(Asked::AtOnce) {
            return std::future::pending().await;
        }
        loop {
            let changed = self.wish.changed.notified();
            let until = *self.wish.until.lock().unwrap_or_else(PoisonError::into_inner);
            let cancelled = async {
                match &self.cancelled {
                    Some(token) if known.is_none() => token.cancelled().await,
                    _ => std::future::pending().await,
                }
            };
            match (until, known) {
                _ if self.at_once.is_cancelled() => return Asked::AtOnce,
                (Some(until), None) => return Asked::Until(until),
                (Some(until), Some(Asked::Until(before))) if until < before => return Asked::Until(until),
                _ => {}
            }
            tokio::select! {
                () = self.at_once.cancelled() => {}
                () = changed => {}
                () = cancelled => return Asked::Until(Instant::now()),
            }
        }
    }
}

/// Asks for it when the token is cancelled; what runs is asked to end right then.
impl From<CancellationToken> for Leave {
    fn from(token: CancellationToken) -> Self {
        Self { cancelled: Some(token), ..Self::default() }
    }
}

/// What is asked of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To leave; what runs may end until then.
    Until(Instant),
    /// To end at once.
    AtOnce,
}

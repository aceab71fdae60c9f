//! Events, and where to go on with them.

use std::time::Duration;

use super::handle::{Pod, Result};
use crate::{api::PodError, domain::Event};

/// Who heard of events up to a number cannot simply go on behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventGap {
    /// The number that was named.
    pub asked: u64,
    /// Where it goes on: behind this one.
    pub after: u64,
    /// The first one that is kept.
    pub oldest: u64,
    /// The last one.
    pub newest: u64,
    /// Why, and what to do, as a sentence.
    pub message: String,
}

impl Pod {
    /// What happened after event `after`, oldest first; waits up to `limit_wait` while there is nothing new.
    /// Cancellation safe: it changes nothing, and what was not returned is there at the next call.
    pub async fn events_after(&self, after: u64, limit: usize, limit_wait: Duration) -> Result<Vec<Event>> {
        let mut newest = self.engine.newest_event();
        // The guard of the watch is not held across the read, so that the future is `Send`.
        let stopped = matches!(tokio::time::timeout(limit_wait, newest.wait_for(|seq| *seq > after)).await, Ok(Err(_)));
        if stopped {
            return Err(PodError::Stopped);
        }
        Ok(self.engine.store().events(after, limit).await?)
    }

    /// What happened before event `before`, newest first.
    pub async fn events_before(&self, before: u64, limit: usize) -> Result<Vec<Event>> {
        Ok(self.engine.store().events_before(before, limit).await?)
    }

    /// What is in the way of going on behind event `after`, of which somebody has heard; nothing where all that came
    /// later is there. From 0 on, that is everything that is kept.
    pub async fn event_gap(&self, after: u64) -> Result<Option<EventGap>> {
        let (store, newest) = (self.engine.store(), self.newest_event());
        if after == 0 || after == newest {
            return Ok(None);
        }
        let oldest = store.events(0, 1).await?.first().map_or(newest + 1, |event| event.seq);
        let gap = |on, message| Some(EventGap { asked: after, after: on, oldest, newest, message });
        if after > newest {
            let message = format!(
                "event {after} is not of this store, whose newest is {newest}: it is another one, or was restored from a \
                 copy; look at everything anew, and go on behind event {newest}"
            );
            return Ok(gap(newest, message));
        }
        if after + 1 < oldest {
            let message = format!(
                "the events up to {} are not kept any more; look at everything anew, and go on behind that one",
                oldest - 1
            );
            return Ok(gap(oldest - 1, message));
        }
        // Behind a restoration, numbers go on far behind all that may have been told before.
        let known = after + 1 == oldest || store.events(after - 1, 1).await?.first().is_some_and(|it| it.seq == after);
        let message = || {
            format!(
                "event {after} is not of this store: it was restored from a copy that was older; look at everything \
                 anew, and go on with what follows"
            )
        };
        Ok(if known { None } else { gap(after, message()) })
    }
}

//! What tells open pages that something changed. One task reads the events for all of them, at most once a second, and
//! only while a page is open; a page that hears of a change asks for itself again and puts the new parts in place.

use std::{sync::Arc, time::Duration};

use pod_core::{Pod, PodError, domain::EventKind};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// How many events are read at a time; where there are more, everything is taken to have changed.
const PAGE: usize = 1000;
/// How long one look waits for something new.
const LOOK: Duration = Duration::from_secs(60);
/// How often pages are told at most.
const PACE: Duration = Duration::from_secs(1);

/// What a page may be about, and when that last changed: the number of the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    activities: u64,
    executions: u64,
    workers: u64,
    policies: u64,
}

/// The news for open pages.
#[derive(Debug)]
pub(crate) struct Live {
    changed: watch::Sender<Changed>,
    opened: Arc<Notify>,
}

impl Live {
    /// Begins to watch, until the pod or the manager ends.
    pub(crate) fn of(pod: Pod, shutdown: CancellationToken) -> Self {
        let live = Self { changed: watch::Sender::default(), opened: Arc::default() };
        let (changed, opened) = (live.changed.clone(), live.opened.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = watch(pod, changed, opened) => {}
                () = shutdown.cancelled() => {}
            }
        });
        live
    }

    /// What one page hears.
    pub(crate) fn open(&self) -> watch::Receiver<Changed> {
        let changed = self.changed.subscribe();
        self.opened.notify_one();
        changed
    }
}

async fn watch(pod: Pod, changed: watch::Sender<Changed>, opened: Arc<Notify>) {
    let mut after = pod.newest_event();
    loop {
        if changed.receiver_count() == 0 {
            opened.notified().await;
            after = pod.newest_event();
        }
        let events = match pod.events_after(after, PAGE, LOOK).await {
            Ok(events) => events,
            Err(PodError::Stopped) => return,
            Err(error) => {
                tracing::debug!(%error, "the events cannot be read");
                tokio::time::sleep(LOOK / 30).await;
                continue;
            }
        };
        let Some(last) = events.last() else { continue };
        let mut now = *changed.borrow();
        if events.len() < PAGE {
            after = last.seq;
            events.iter().for_each(|event| now.note(event.kind, event.seq));
        } else {
            after = pod.newest_event();
            now = Changed { activities: after, executions: after, workers: after, policies: after };
        }
        changed.send_replace(now);
        tokio::time::sleep(PACE).await;
    }
}

impl Changed {
    fn note(&mut self, kind: EventKind, seq: u64) {
        use EventKind as Kind;
        match kind {
            Kind::ActivityRegistered
            | Kind::ActivityApproved
            | Kind::ActivityRejected
            | Kind::ActivityUninstalling
            | Kind::ActivityDeleted => self.activities = seq,
            Kind::InstallationChanged => (self.activities, self.workers) = (seq, seq),
            Kind::ExecutionSubmitted | Kind::ExecutionStarted | Kind::ExecutionRequeued | Kind::ExecutionEnded => {
                self.executions = seq;
            }
            Kind::WorkerChanged | Kind::Scaled | Kind::ManagerStarted | Kind::ClockSet => self.workers = seq,
            Kind::PolicyChanged => self.policies = seq,
        }
    }

    /// When the last of these changed.
    pub(crate) fn of(&self, topics: &str) -> u64 {
        let last = topics.split(' ').map(|topic| match topic {
            "activities" => self.activities,
            "executions" => self.executions,
            "workers" => self.workers,
            "policies" => self.policies,
            _ => 0,
        });
        last.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_hears_of_what_it_is_about() {
        let mut changed = Changed::default();
        changed.note(EventKind::ExecutionEnded, 5);
        changed.note(EventKind::InstallationChanged, 7);
        assert_eq!(changed.of("executions"), 5);
        assert_eq!(changed.of("executions workers"), 7);
        assert_eq!(changed.of("activities"), 7);
        assert_eq!(changed.of("policies"), 0);
        assert_eq!(changed.of("nonsense"), 0);
    }
}

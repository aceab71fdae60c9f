//! Notifies open pages of changes. One task reads the events for all of them, at most once a second, and only while a page
//! is open; a notified page reloads itself and replaces the parts that changed.

use std::{sync::Arc, time::Duration};

use pod_core::{Pod, PodError, domain::EventKind};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Events per read; if there are more, everything counts as changed.
const PAGE_SIZE: usize = 1000;
/// How long one read waits for new events.
const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest time between two notifications.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The number of the last event per topic of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastChanges {
    activities: u64,
    executions: u64,
    workers: u64,
    policies: u64,
}

/// The notifications for open pages.
#[derive(Debug)]
pub(crate) struct LiveUpdates {
    changed: watch::Sender<LastChanges>,
    opened: Arc<Notify>,
}

impl LiveUpdates {
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

    /// Subscribes a page.
    pub(crate) fn open(&self) -> watch::Receiver<LastChanges> {
        let changed = self.changed.subscribe();
        self.opened.notify_one();
        changed
    }
}

async fn watch(pod: Pod, changed: watch::Sender<LastChanges>, opened: Arc<Notify>) {
    let mut after = pod.newest_event();
    loop {
        if changed.receiver_count() == 0 {
            opened.notified().await;
            after = pod.newest_event();
        }
        let events = match pod.events_after(after, PAGE_SIZE, LONG_POLL_TIMEOUT).await {
            Ok(events) => events,
            Err(PodError::Stopped) => return,
            Err(error) => {
                tracing::debug!(%error, "the events cannot be read");
                tokio::time::sleep(LONG_POLL_TIMEOUT / 30).await;
                continue;
            }
        };
        let Some(last) = events.last() else { continue };
        let mut now = *changed.borrow();
        if events.len() < PAGE_SIZE {
            after = last.seq;
            events.iter().for_each(|event| now.note(event.kind, event.seq));
        } else {
            after = pod.newest_event();
            now = LastChanges { activities: after, executions: after, workers: after, policies: after };
        }
        changed.send_replace(now);
        tokio::time::sleep(MIN_INTERVAL).await;
    }
}

impl LastChanges {
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
        let mut changed = LastChanges::default();
        changed.note(EventKind::ExecutionEnded, 5);
        changed.note(EventKind::InstallationChanged, 7);
        assert_eq!(changed.of("executions"), 5);
        assert_eq!(changed.of("executions workers"), 7);
        assert_eq!(changed.of("activities"), 7);
        assert_eq!(changed.of("policies"), 0);
        assert_eq!(changed.of("nonsense"), 0);
    }
}

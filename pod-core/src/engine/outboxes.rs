//! The connected workers, and what is to be sent to them.

use std::collections::HashMap;

use tokio::sync::mpsc::error::TrySendError;

use super::message::{Admitted, LinkHandle};
use crate::{
    domain::{SessionId, WorkerId},
    link::{Refusal, ToWorker, Welcome},
};

/// The links, by their number and by their worker. Nothing here waits: a link that cannot take more is given up, and
/// its worker's next hello brings both sides together again.
#[derive(Debug, Default)]
pub(super) struct Outboxes {
    links: HashMap<SessionId, LinkHandle>,
    sessions: HashMap<WorkerId, SessionId>,
    /// Links that were found not to take any more: the planner is to know.
    broken: Vec<(WorkerId, SessionId)>,
}

impl Outboxes {
    /// A link that said hello and is not let in yet.
    pub(super) fn arrived(&mut self, session: SessionId, link: LinkHandle) {
        self.links.insert(session, link);
    }

    /// Lets a link in. An older link of the same worker ends.
    pub(super) fn welcome(&mut self, welcome: Welcome) {
        let (worker, session) = (welcome.worker, welcome.session);
        let Some(link) = self.links.get_mut(&session) else { return };
        if let Some(admitted) = link.admitted.take() {
            // It is gone already when it cannot be told.
            let _ = admitted.send(Admitted { worker, session });
        }
        if let Some(older) = self.sessions.insert(worker, session).filter(|older| *older != session) {
            self.disconnect(older);
        }
        self.send(worker, ToWorker::Welcome(Box::new(welcome)));
    }

    /// Does not let a link in: it is told why, and ends.
    pub(super) fn refuse(&mut self, session: SessionId, refusal: Refusal) {
        if let Some(link) = self.links.remove(&session) {
            // The link sends what is in its outbox, and ends when nobody can put more into it.
            let _ = link.outbox.try_send(ToWorker::Refused(refusal));
        }
    }

    /// Sends to a worker, if it is connected.
    pub(super) fn send(&mut self, worker: WorkerId, message: ToWorker) {
        let Some(session) = self.sessions.get(&worker) else { return };
        let Some(link) = self.links.get(session) else { return };
        match link.outbox.try_send(message) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!(%worker, "a link cannot keep up and is given up; the worker will dial again");
                self.drop_worker(worker);
            }
            Err(TrySendError::Closed(_)) => self.drop_worker(worker),
        }
    }

    /// Gives up the link of a worker.
    pub(super) fn drop_worker(&mut self, worker: WorkerId) {
        if let Some(session) = self.sessions.remove(&worker) {
            self.disconnect(session);
            self.broken.push((worker, session));
        }
    }

    /// The links that were given up since the last call.
    pub(super) fn take_broken(&mut self) -> Vec<(WorkerId, SessionId)> {
        std::mem::take(&mut self.broken)
    }

    /// Gives up a link.
    pub(super) fn disconnect(&mut self, session: SessionId) {
        if let Some(link) = self.links.remove(&session) {
            link.cancel.cancel();
        }
    }

    /// A link has ended by itself.
    pub(super) fn left(&mut self, worker: WorkerId, session: SessionId) {
        self.links.remove(&session);
        if self.sessions.get(&worker) == Some(&session) {
            self.sessions.remove(&worker);
        }
    }

    /// Gives up all links.
    pub(super) fn clear(&mut self) {
        for (_, link) in self.links.drain() {
            link.cancel.cancel();
        }
        self.sessions.clear();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};
    use tokio_util::sync::CancellationToken;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Epoch, Millis, StoreId};

    /// A link with room for so many messages: what comes out of it, and how it is told to end.
    fn link(room: usize) -> (LinkHandle, mpsc::Receiver<ToWorker>, CancellationToken) {
        let ((outbox, sent), cancel) = (mpsc::channel(room), CancellationToken::new());
        let (admitted, _) = oneshot::channel();
        (LinkHandle { outbox, admitted: Some(admitted), cancel: cancel.clone() }, sent, cancel)
    }

    fn welcome(worker: u64, session: u64) -> Welcome {
        Welcome {
            store: StoreId(Uuid::nil()),
            epoch: Epoch(1),
            worker: WorkerId(worker),
            session: SessionId(session),
            heartbeat: Millis(1),
            give_up_after: Millis(1),
            output_cap: 1,
            discard: Vec::new(),
            remove: Vec::new(),
        }
    }

    fn shutdown() -> ToWorker {
        ToWorker::Shutdown { reason: String::new() }
    }

    #[test]
    fn a_link_that_cannot_keep_up_is_given_up_and_others_are_not() {
        let mut outboxes = Outboxes::default();
        let (slow, _kept, slow_ends) = link(1);
        let (quick, mut sent, quick_ends) = link(10);
        outboxes.arrived(SessionId(1), slow);
        outboxes.arrived(SessionId(2), quick);
        outboxes.welcome(welcome(1, 1));
        outboxes.welcome(welcome(2, 2));
        for worker in [1, 2] {
            outboxes.send(WorkerId(worker), shutdown());
        }
        assert!(slow_ends.is_cancelled() && !quick_ends.is_cancelled());
        assert_eq!(outboxes.take_broken(), [(WorkerId(1), SessionId(1))]);
        assert_eq!(
            [sent.try_recv().unwrap(), sent.try_recv().unwrap()],
            [ToWorker::Welcome(Box::new(welcome(2, 2))), shutdown()]
        );
        outboxes.send(WorkerId(1), shutdown()); // nobody is there: nothing happens
    }

    #[test]
    fn the_newest_link_of_a_worker_is_the_one_that_counts() {
        let mut outboxes = Outboxes::default();
        let (old, _kept, old_ends) = link(10);
        let (new, mut sent, new_ends) = link(10);
        outboxes.arrived(SessionId(1), old);
        outboxes.welcome(welcome(1, 1));
        outboxes.arrived(SessionId(2), new);
        outboxes.welcome(welcome(1, 2));
        assert!(old_ends.is_cancelled() && !new_ends.is_cancelled());
        // The end of the old one is heard of late.
        outboxes.left(WorkerId(1), SessionId(1));
        outboxes.send(WorkerId(1), shutdown());
        assert_eq!(
            [sent.try_recv().unwrap(), sent.try_recv().unwrap()],
            [ToWorker::Welcome(Box::new(welcome(1, 2))), shutdown()]
        );
    }
}

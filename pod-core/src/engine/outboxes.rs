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
        self.send(worker, ToWorker::Welcome(welcome));
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
        }
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

//! Which link is whose. A link that takes no more is given up, and its worker's next hello brings both sides together
//! again.

use std::collections::{BTreeMap, HashMap};

use crate::domain::{SessionId, WorkerId};

/// The links, by their number and by their worker.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The worker of each, once it was let in. In order, so that all are ended in the same order in every run.
    workers: BTreeMap<SessionId, Option<WorkerId>>,
    sessions: HashMap<WorkerId, SessionId>,
}

impl Links {
    /// A link that said hello and is not let in yet.
    pub(super) fn arrived(&mut self, session: SessionId) {
        self.workers.insert(session, None);
    }

    pub(super) fn has(&self, session: SessionId) -> bool {
        self.workers.contains_key(&session)
    }

    /// Lets a link in; false where it is gone. Gives an older link of the same worker, which is to end.
    pub(super) fn admit(&mut self, session: SessionId, worker: WorkerId) -> (bool, Option<SessionId>) {
        let Some(whose) = self.workers.get_mut(&session) else { return (false, None) };
        *whose = Some(worker);
        let older = self.sessions.insert(worker, session).filter(|older| *older != session);
        (true, older.filter(|older| self.workers.remove(older).is_some()))
    }

    /// The link of a worker.
    pub(super) fn of(&self, worker: WorkerId) -> Option<SessionId> {
        self.sessions.get(&worker).copied()
    }

    /// The worker of a link that was let in.
    pub(super) fn of_session(&self, session: SessionId) -> Option<WorkerId> {
        self.workers.get(&session).copied().flatten()
    }

    /// A link has ended, or is to. Gives its worker where it was that worker's link.
    pub(super) fn end(&mut self, session: SessionId) -> Option<WorkerId> {
        let worker = self.workers.remove(&session)??;
        if self.sessions.get(&worker) == Some(&session) {
            self.sessions.remove(&worker);
            return Some(worker);
        }
        None
    }

    /// Gives up all links.
    pub(super) fn end_all(&mut self) -> Vec<SessionId> {
        self.sessions.clear();
        std::mem::take(&mut self.workers).into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_link_of_a_worker_is_the_one_that_counts() {
        let mut links = Links::default();
        for session in [1, 2] {
            links.arrived(SessionId(session));
        }
        assert_eq!(links.admit(SessionId(1), WorkerId(7)), (true, None));
        assert_eq!(links.admit(SessionId(2), WorkerId(7)), (true, Some(SessionId(1))));
        assert_eq!(links.of(WorkerId(7)), Some(SessionId(2)));
        // The end of the old one is heard of late.
        assert_eq!(links.end(SessionId(1)), None);
        assert_eq!(links.of(WorkerId(7)), Some(SessionId(2)));
        assert_eq!(links.end(SessionId(2)), Some(WorkerId(7)));
        assert_eq!(links.of(WorkerId(7)), None);
    }

    #[test]
    fn a_link_that_is_gone_is_not_let_in() {
        let mut links = Links::default();
        links.arrived(SessionId(1));
        assert_eq!(links.end_all(), [SessionId(1)]);
        assert_eq!(links.admit(SessionId(1), WorkerId(7)), (false, None));
        assert_eq!(links.of(WorkerId(7)), None);
    }
}

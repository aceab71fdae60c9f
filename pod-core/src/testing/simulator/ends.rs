//! The manager's ends of links: who is there, what is to be sent, and what the store did not take.

use std::collections::{BTreeMap, BTreeSet};

use super::network::LinkId;
use crate::{
    domain::{ActivityId, AttemptKey, RevisionNo, SessionId, WorkerId},
    engine::DeferredOutput,
    link::ToWorker,
};

/// One end.
#[derive(Debug, Default)]
pub(super) struct End {
    /// It said hello.
    pub(super) greeted: bool,
    /// Its number at the manager, once that has taken its hello.
    pub(super) session: Option<SessionId>,
    /// Who it was let in as.
    pub(super) admitted: Option<WorkerId>,
    /// The version that is spoken.
    pub(super) version: u32,
    /// What is to be sent.
    pub(super) outbox: Vec<ToWorker>,
    /// What it may pull.
    pub(super) offered: BTreeSet<(ActivityId, RevisionNo)>,
    /// Nothing more is said when that is sent.
    pub(super) last_words: bool,
    /// What a full store did not take.
    pub(super) left_out: DeferredOutput,
    /// Attempts with output that is not acknowledged, and how much of it came.
    pub(super) taken: BTreeSet<AttemptKey>,
    pub(super) taken_bytes: usize,
    /// When the planner heard of it last.
    pub(super) last_said: i64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) ends: BTreeMap<LinkId, End>,
    /// The newest link of each worker that was let in.
    pub(super) newest: BTreeMap<WorkerId, LinkId>,
}

impl Ends {
    /// The link of that number.
    pub(super) fn link(&self, session: SessionId) -> Option<LinkId> {
        self.ends.iter().find(|(_, end)| end.session == Some(session)).map(|(link, _)| *link)
    }

    /// Takes an end away.
    pub(super) fn remove(&mut self, link: LinkId) -> Option<End> {
        self.newest.retain(|_, newest| *newest != link);
        self.ends.remove(&link)
    }

    /// Puts a message into the outbox of a worker, if it is there.
    pub(super) fn send(&mut self, worker: WorkerId, message: ToWorker) {
        if let Some(end) = self.newest.get(&worker).and_then(|link| self.ends.get_mut(link)) {
            end.outbox.push(message);
        }
    }
}

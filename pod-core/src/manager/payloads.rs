//! What was installed last, for the next worker that installs it.

use std::collections::VecDeque;

use crate::domain::{ActivityId, Payload, RevisionNo};

/// How many are kept.
const KEPT: usize = 4;

/// The newest first.
#[derive(Debug, Default)]
pub(super) struct Payloads(VecDeque<((ActivityId, RevisionNo), Payload)>);

impl Payloads {
    pub(super) fn get(&self, activity: ActivityId, revision: RevisionNo) -> Option<Payload> {
        let wanted = (activity, revision);
        self.0.iter().find(|(kept, _)| *kept == wanted).map(|(_, payload)| payload.clone())
    }

    pub(super) fn keep(&mut self, activity: ActivityId, revision: RevisionNo, payload: Payload) {
        self.0.truncate(KEPT - 1);
        self.0.push_front(((activity, revision), payload));
    }
}

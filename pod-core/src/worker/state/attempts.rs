//! The attempts that a worker holds: waiting for a slot, running, or ended and not yet acknowledged.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    effect::Effect,
    held::{Held, Phase, Queued},
    input::Now,
    outgoing::Outgoing,
};
use crate::{
    domain::{ActivityId, AttemptKey, RevisionNo},
    executor::StopMode,
    link::AttemptReport,
};

#[derive(Debug, Default)]
pub(super) struct Attempts {
    pub(super) held: BTreeMap<AttemptKey, Held>,
    /// Those that the executor was not given yet, in the order they came.
    pub(super) waiting: VecDeque<AttemptKey>,
    /// How many the executor was given that have not ended: as many as it has slots, and those that it takes ahead.
    pub(super) live: u32,
    /// When those that were asked to end are killed.
    pub(super) kills: Vec<(Duration, AttemptKey)>,
}

impl Attempts {
    pub(super) const fn live(&self) -> u32 {
        self.live
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether something waits for this revision or runs it.
    pub(super) fn uses(&self, activity: ActivityId, revision: RevisionNo) -> bool {
        self.held.values().any(|held| held.activity == activity && held.revision == revision && !held.has_ended())
    }

    pub(super) fn next_kill(&self) -> Option<Duration> {
        self.kills.iter().map(|(at, _)| *at).min()
    }

    pub(super) fn kill_overdue(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let held = &self.held;
        self.kills.retain(|(at, key)| {
            let runs = held.get(key).is_some_and(|held| matches!(held.phase, Phase::Live));
            if runs && now.uptime >= *at {
                effects.push(Effect::Stop(*key, StopMode::Kill));
            }
            runs && now.uptime < *at
        });
    }

    /// What a hello tells, which counts as told.
    pub(super) fn report(&mut self) -> Vec<AttemptReport> {
        let wanted = self.held.iter_mut().filter(|(_, held)| !matches!(held.phase, Phase::Unwanted));
        wanted
            .map(|(key, held)| {
                held.told_running = held.started_at.is_some();
                AttemptReport { key: *key, started_at: held.started_at, ended: held.has_ended() }
            })
            .collect()
    }

    pub(super) fn unqueue_all(&mut self) {
        for held in self.held.values_mut() {
            held.queued = Queued::No;
        }
    }

    /// What was not acknowledged is sent again over a new link.
    pub(super) fn resend_all(&mut self, outgoing: &mut Outgoing) {
        for (key, held) in &mut self.held {
            held.spool.rewind();
            if let Phase::Ended(end) = &mut held.phase {
                end.sent = false;
            }
            if !matches!(held.phase, Phase::Waiting(_) | Phase::Unwanted) {
                held.queued = Queued::No;
                outgoing.ready(*key, held);
            }
        }
    }
}

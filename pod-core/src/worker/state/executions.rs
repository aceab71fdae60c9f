//! What orders and events of executions lead to.

use std::{sync::Arc, time::Duration};

use super::{
    effect::Effect,
    held::{End, Held, Phase},
    input::Now,
    machine::WorkerState,
};
use crate::{
    domain::{ActivityId, AttemptKey, AttemptOutcome, Millis, RevisionNo, Stream, Timestamp},
    executor::{RunEvent, StartError, StartRequest, StopMode},
    link::{FromWorker, StartCommand},
    worker::spool::Spool,
};

/// A stream with so much unsent output is not held back for more.
const SEND_AT_ONCE: usize = 32 << 10;

/// The news of a start is not taken to be older than this, whatever the clock says.
const LATEST_NEWS: Duration = Duration::from_secs(1);

impl WorkerState {
    pub(super) fn start(&mut self, order: StartCommand, effects: &mut Vec<Effect>) {
        let key = order.key;
        if self.attempts.held.contains_key(&key) || self.refuses(key) {
            return;
        }
        let cap = self.session.output_cap;
        if self.installs.has(order.activity, order.revision) {
            let held = Held::new(order.activity, order.revision, Phase::Waiting(Box::new(order)), cap);
            self.attempts.held.insert(key, held);
            self.attempts.waiting.push_back(key);
            self.fill_slots(effects);
        } else {
            // It was, and is gone, which the manager had not heard when it sent this.
            self.installs.say_missing((order.activity, order.revision), &mut self.outgoing);
            self.outgoing.say(FromWorker::Recalled { key });
        }
    }

    /// Gives back what has not begun: what waits here at once, and what waits in the executor if it has not begun there.
    pub(super) fn give_back_waiting(&mut self, effects: &mut Vec<Effect>) {
        for key in std::mem::take(&mut self.attempts.waiting) {
            self.attempts.held.remove(&key);
            self.outgoing.say(FromWorker::Recalled { key });
        }
        let unbegun = |held: &Held| matches!(held.phase, Phase::Live) && held.started_at.is_none();
        let ahead = self.attempts.held.iter().filter(|(_, held)| unbegun(held)).map(|(key, _)| Effect::Recall(*key));
        effects.extend(ahead);
    }

    fn fill_slots(&mut self, effects: &mut Vec<Effect>) {
        while self.attempts.live < self.slots + self.ahead
            && let Some(key) = self.attempts.waiting.pop_front()
        {
            let Some(held) = self.attempts.held.get_mut(&key) else { continue };
            let Phase::Waiting(order) = std::mem::replace(&mut held.phase, Phase::Live) else { continue };
            self.attempts.live += 1;
            effects.push(Effect::Start(StartRequest {
                key,
                activity: order.activity,
                activity_name: order.activity_name,
                revision: order.revision,
                input: order.input,
                env: Arc::unwrap_or_clone(order.env),
                timeout: order.timeout,
                grace: order.grace,
                workdir: order.workdir,
                network: order.network,
            }));
        }
    }

    pub(super) fn run_event(&mut self, key: AttemptKey, event: RunEvent, now: Now, effects: &mut Vec<Effect>) {
        let (stream, bytes) = match event {
            RunEvent::Ended { end, at } => return self.finish(key, end, at, now, effects),
            RunEvent::Started { at } => {
                let Some(held) = self.attempts.held.get_mut(&key) else { return };
                held.started_at = Some(at);
                // Told a moment later, by the same machine's clock.
                let late = now.wall.since(at).as_duration().min(LATEST_NEWS);
                held.began = Some(now.uptime.saturating_sub(late));
                return self.outgoing.hold(key, held, now);
            }
            RunEvent::InstallationLost => return self.installation_lost(key),
            RunEvent::Wrote { stream, len } => return self.wrote(key, stream, len, now, effects),
            RunEvent::Holds { stream } => return self.holds(key, stream, effects),
            RunEvent::Output { stream, bytes } => (stream, bytes),
        };
        let Some(held) = self.attempts.held.get_mut(&key) else { return };
        if matches!(held.phase, Phase::Live) {
            let began = *held.began.get_or_insert(now.uptime);
            held.spool.push(stream, &bytes, now.uptime.saturating_sub(began).into(), &*self.disk);
            if bytes.len() >= SEND_AT_ONCE || !held.spool.rest_is_within(SEND_AT_ONCE) {
                self.outgoing.ready(key, held);
            } else {
                self.outgoing.hold(key, held, now);
            }
        }
    }

    /// What this attempt was to run in is damaged or gone.
    fn installation_lost(&mut self, key: AttemptKey) {
        if let Some(held) = self.attempts.held.get(&key) {
            self.installs.lost((held.activity, held.revision), &mut self.outgoing);
        }
    }

    pub(super) fn start_failed(&mut self, key: AttemptKey, error: StartError, now: Now, effects: &mut Vec<Effect>) {
        let stopped = self.attempts.held.get(&key).is_some_and(|held| held.stopped) || self.leaving.is_some();
        let end = if stopped { AttemptOutcome::Terminated } else { AttemptOutcome::StartFailed(error.message.into()) };
        self.finish(key, end, now.wall, now, effects);
    }

    /// The process tree of an attempt is gone.
    pub(super) fn finish(
        &mut self,
        key: AttemptKey,
        end: AttemptOutcome,
        at: Timestamp,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        // One of them takes the slot now; who waits for none behind it soon needs more from the manager.
        let ahead = self.attempts.live.saturating_sub(self.slots) as usize;
        let has_more = self.attempts.waiting.len() + ahead > 1;
        let Some(held) = self.attempts.held.get(&key) else { return };
        let end =
            self.ended_by_leaving(end, held.stopped, held.started_at.is_some()).unwrap_or(AttemptOutcome::Recalled);
        let Some(held) = self.attempts.held.get_mut(&key) else { return };
        let used = (held.activity, held.revision);
        match held.phase {
            Phase::Live if end == AttemptOutcome::Recalled => {
                self.attempts.held.remove(&key);
                self.outgoing.say(FromWorker::Recalled { key });
            }
            Phase::Live => {
                held.spool.finish(&*self.disk);
                held.phase = Phase::Ended(End { at, end, sent: false });
                self.outgoing.ended(key, held, has_more, now);
            }
            Phase::Unwanted => {
                self.attempts.held.remove(&key);
            }
            Phase::Waiting(_) | Phase::Ended(_) => return,
        }
        self.attempts.live -= 1;
        self.fill_slots(effects);
        self.no_longer_used(used, effects);
    }

    /// A removal may have waited for this.
    fn no_longer_used(&mut self, (activity, revision): (ActivityId, RevisionNo), effects: &mut Vec<Effect>) {
        if self.installs.awaits_removal(activity, revision) && !self.attempts.uses(activity, revision) {
            self.installs.begin_removal(activity, revision, effects);
        }
    }

    pub(super) fn stop(&mut self, key: AttemptKey, grace: Millis, now: Now, effects: &mut Vec<Effect>) {
        let Some(held) = self.attempts.held.get_mut(&key) else { return self.unknown(key, now) };
        match held.phase {
            Phase::Waiting(_) => {
                held.phase = Phase::Ended(End { at: now.wall, end: AttemptOutcome::Terminated, sent: false });
                self.outgoing.ready(key, held);
                self.leave_queue(key, effects);
            }
            Phase::Live => {
                held.stopped = true;
                if grace == Millis(0) {
                    effects.push(Effect::Stop(key, StopMode::Kill));
                } else {
                    effects.push(Effect::Stop(key, StopMode::Terminate));
                    self.attempts.kills.push((now.uptime + grace.as_duration(), key));
                }
            }
            Phase::Unwanted => self.unknown(key, now),
            // Its end is on its way.
            Phase::Ended(_) => {}
        }
    }

    pub(super) fn recall(&mut self, key: AttemptKey, effects: &mut Vec<Effect>) {
        let Some(held) = self.attempts.held.get(&key) else { return };
        match held.phase {
            Phase::Waiting(_) => {
                self.attempts.held.remove(&key);
                self.attempts.waiting.retain(|other| *other != key);
                self.outgoing.say(FromWorker::Recalled { key });
            }
            // Perhaps it has begun and the news of it is on its way: the executor knows.
            Phase::Live if held.started_at.is_none() => effects.push(Effect::Recall(key)),
            Phase::Live | Phase::Unwanted | Phase::Ended(_) => {}
        }
    }

    pub(super) fn output_acknowledged(&mut self, key: AttemptKey, [stdout, stderr, order]: [u64; 3]) {
        let Some(held) = self.attempts.held.get_mut(&key) else { return };
        held.spool.acknowledge(Stream::Stdout, stdout);
        held.spool.acknowledge(Stream::Stderr, stderr);
        held.spool.acknowledge_order(order);
        let end_is_due = matches!(&held.phase, Phase::Ended(end) if !end.sent);
        if end_is_due || held.spool.has_sendable() {
            self.outgoing.ready(key, held);
        }
    }

    /// The manager wants to hear nothing more of an attempt: it is stopped if it runs.
    pub(super) fn forget(&mut self, key: AttemptKey, effects: &mut Vec<Effect>) {
        let Some(held) = self.attempts.held.get_mut(&key) else { return };
        match held.phase {
            Phase::Live => {
                held.phase = Phase::Unwanted;
                held.spool = Spool::new(0);
                effects.push(Effect::Stop(key, StopMode::Kill));
            }
            Phase::Unwanted => {}
            Phase::Ended(_) => {
                self.attempts.held.remove(&key);
            }
            Phase::Waiting(_) => {
                let removed = self.attempts.held.remove(&key);
                self.attempts.waiting.retain(|other| *other != key);
                if let Some(held) = removed {
                    self.no_longer_used((held.activity, held.revision), effects);
                }
            }
        }
    }

    /// An attempt that waited is over.
    fn leave_queue(&mut self, key: AttemptKey, effects: &mut Vec<Effect>) {
        self.attempts.waiting.retain(|other| *other != key);
        if let Some(held) = self.attempts.held.get(&key) {
            self.no_longer_used((held.activity, held.revision), effects);
        }
    }
}

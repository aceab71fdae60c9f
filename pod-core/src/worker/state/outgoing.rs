//! What is to be said to the manager, in the order in which it is.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    held::{Held, Queued},
    input::Now,
};
use crate::{domain::AttemptKey, link::FromWorker};

/// How long news of a running attempt waits for company.
const HOLD: Duration = Duration::from_millis(1);

/// How long the end of an attempt waits for that of others while more of them wait here for a slot. Nobody is kept
/// from working by that, and many short executions cost few frames, and their manager few rounds.
const HOLD_END: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) hello: Option<FromWorker>,
    pub(super) short: VecDeque<FromWorker>,
    held: VecDeque<(Duration, AttemptKey)>,
    pub(super) ready: VecDeque<AttemptKey>,
    /// Attempts that ended, in order, and when the first of them is to be told of.
    ended: Vec<AttemptKey>,
    ended_due: Option<Duration>,
}

impl Outgoing {
    /// The first thing to be said on a link.
    pub(super) fn greet(&mut self, hello: FromWorker) {
        self.hello = Some(hello);
    }

    /// Says something that is forgotten if the link ends before.
    pub(super) fn say(&mut self, message: FromWorker) {
        self.short.push_back(message);
    }

    /// Says all of these.
    pub(super) fn say_all(&mut self, messages: impl Iterator<Item = FromWorker>) {
        self.short.extend(messages);
    }

    /// Whether nothing short waits for a frame.
    pub(super) fn has_said_all(&self) -> bool {
        self.short.is_empty()
    }

    /// The link ended. Gives what it can no longer carry.
    pub(super) fn link_ended(&mut self) -> VecDeque<FromWorker> {
        self.hello = None;
        self.held.clear();
        self.ready.clear();
        self.ended.clear();
        self.ended_due = None;
        std::mem::take(&mut self.short)
    }

    /// There is news of an attempt, which may wait a moment.
    pub(super) fn hold(&mut self, key: AttemptKey, held: &mut Held, now: Now) {
        if held.queued == Queued::No {
            held.queued = Queued::Held;
            self.held.push_back((now.uptime + HOLD, key));
        }
    }

    /// There is news of an attempt for the next frame.
    pub(super) fn ready(&mut self, key: AttemptKey, held: &mut Held) {
        if held.queued != Queued::Ready {
            held.queued = Queued::Ready;
            self.ready.push_back(key);
        }
    }

    /// An attempt has ended. That goes before the output of others, and waits a moment for more of the kind where the
    /// worker has more to do.
    pub(super) fn ended(&mut self, key: AttemptKey, held: &mut Held, has_more: bool, now: Now) {
        if held.queued == Queued::Held {
            self.held.retain(|(_, other)| *other != key);
        }
        if held.queued != Queued::Ready {
            held.queued = Queued::Ready;
            self.ended.push(key);
        }
        let due = now.uptime + if has_more { HOLD_END } else { Duration::ZERO };
        self.ended_due = Some(self.ended_due.map_or(due, |other| other.min(due)));
    }

    /// Makes ready what has ended, when it is time.
    pub(super) fn release_ended(&mut self, now: Now) {
        if self.ended_due.is_some_and(|due| due <= now.uptime) {
            self.ended_due = None;
            self.ended.drain(..).rev().for_each(|key| self.ready.push_front(key));
        }
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        let held = self.held.front().map(|(due, _)| *due);
        held.into_iter().chain(self.ended_due).min()
    }

    /// Makes ready what was held back for long enough.
    pub(super) fn release_due(&mut self, now: Now, attempts: &mut BTreeMap<AttemptKey, Held>) {
        self.release_ended(now);
        while let Some((_, key)) = self.held.pop_front_if(|(due, _)| *due <= now.uptime) {
            if let Some(held) = attempts.get_mut(&key)
                && held.queued == Queued::Held
            {
                self.ready(key, held);
            }
        }
    }
}

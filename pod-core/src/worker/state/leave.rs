//! How a worker leaves: it takes nothing new, gives back what has not begun, lets what runs end for a while, asks it to
//! end then, and goes when all that is delivered.

use std::time::Duration;

use super::{
    super::identity::{ShutdownNotice, WorkerExit},
    effect::Effect,
    held::Phase,
    input::Now,
    leaving::Leaving,
    machine::WorkerState,
};
use crate::{
    domain::{AttemptKey, AttemptOutcome},
    executor::StopMode,
    link::FromWorker,
};

/// What has ended is delivered within this time, or not at all.
const DELIVER_WITHIN: Duration = Duration::from_secs(5);

impl WorkerState {
    /// Asks the worker to leave. Asked again, the shorter time counts.
    pub(super) fn leave(&mut self, within: Duration, at_once: bool, now: Now, effects: &mut Vec<Effect>) {
        let until = now.uptime + within;
        match &mut self.leaving {
            Some(leaving) => {
                leaving.until = leaving.until.min(until);
                leaving.at_once |= at_once;
            }
            None => {
                self.leaving = Some(Leaving { until, at_once, asked: None, over: None });
                self.announce_departure();
                self.give_back_waiting(effects);
            }
        }
    }

    /// Tells a manager that welcomes it, or has, that this worker leaves. One that comes back says nothing: its manager
    /// ends with it.
    pub(super) fn announce_departure(&mut self) {
        if self.leaving.is_some() && self.session.is_up() && self.session.departure() == ShutdownNotice::Permanent {
            self.outgoing.say(FromWorker::Leaving { reason: WorkerExit::Cancelled.to_string() });
        }
    }

    /// What is given to it now does not begin here.
    pub(super) fn refuses(&mut self, key: AttemptKey) -> bool {
        let refuses = self.leaving.is_some();
        if refuses {
            self.outgoing.say(FromWorker::Recalled { key });
        }
        refuses
    }

    /// How an attempt ended whose process tree was asked to end because the worker leaves. Nothing when it never began.
    pub(super) fn ended_by_leaving(&self, end: AttemptOutcome, stopped: bool, began: bool) -> Option<AttemptOutcome> {
        let asked = self.leaving.as_ref().is_some_and(|leaving| leaving.asked.is_some());
        match end {
            AttemptOutcome::Terminated | AttemptOutcome::Lost if asked && !stopped => {
                began.then_some(AttemptOutcome::WorkerLeft)
            }
            end => Some(end),
        }
    }

    /// What follows from the time, and from what has ended.
    pub(super) fn go_on_leaving(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Some(leaving) = &mut self.leaving else { return };
        let wanted = match (leaving.at_once, now.uptime >= leaving.until) {
            (true, _) => Some(StopMode::Kill),
            (false, true) => Some(StopMode::Terminate),
            (false, false) => None,
        };
        if wanted > leaving.asked
            && let Some(mode) = wanted
        {
            leaving.asked = wanted;
            let live = self.attempts.held.iter().filter(|(_, held)| matches!(held.phase, Phase::Live));
            effects.extend(live.map(|(key, _)| Effect::Stop(*key, mode)));
        }
        if self.attempts.live() == 0 {
            leaving.over.get_or_insert(now.uptime);
        }
    }

    /// When it has something to do because it leaves.
    pub(super) fn next_of_leaving(&self) -> Option<Duration> {
        let leaving = self.leaving.as_ref()?;
        let stop = leaving.asked.is_none().then_some(leaving.until);
        let give_up = leaving.over.map(|over| over + DELIVER_WITHIN);
        [stop, give_up].into_iter().flatten().min()
    }

    /// Whether it has left: nothing runs, and what there was to tell is told, or cannot be. To be asked after
    /// [`WorkerState::collect`].
    #[must_use]
    pub fn has_left(&self, now: Now) -> bool {
        let Some(Leaving { over: Some(over), at_once, .. }) = &self.leaving else { return false };
        let told = self.attempts.is_empty() && self.outgoing.has_said_all();
        let in_vain = *at_once && !self.session.is_up();
        told || in_vain || now.uptime >= *over + DELIVER_WITHIN
    }
}

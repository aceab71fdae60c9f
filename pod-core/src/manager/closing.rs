//! The end: no new work is given out, workers that end with this process leave in an orderly way, and what they tell
//! meanwhile is taken as ever. Then what was accepted is committed.

use super::{action::Action, machine::Manager, phase::Phase};
use crate::{api::PodError, domain::Millis};

/// How long it listens for what workers that have left said last.
const LAST_WORDS: Millis = Millis(2000);

impl Manager {
    /// Begins to end. Nothing is given out from now on.
    pub(super) fn close(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        self.state.give_nothing_out();
        if let Some(waiting) = &mut self.waiting {
            waiting.hasten(self.now.age);
        }
        if self.config.workers_stay {
            self.phase = Phase::Left(self.now.age);
        } else {
            self.phase = Phase::Leaving;
            self.act(Action::Leave);
        }
    }

    /// The workers that end with this process have left.
    pub(super) fn workers_left(&mut self) {
        if self.phase == Phase::Leaving {
            self.phase = Phase::Left(self.now.age + LAST_WORDS);
        }
    }

    /// Goes on with the end when nothing is left to wait for.
    pub(super) fn go_on_closing(&mut self) {
        match self.phase {
            Phase::Left(until) if self.now.age >= until || !self.state.hears_created_workers() => {
                self.phase = Phase::TakingLast;
                self.act(Action::TakeNoMore);
            }
            Phase::Last => self.end(PodError::Stopped),
            _ => {}
        }
    }

    /// All that was accepted is part of a round: this is the last one.
    pub(super) fn took_all(&mut self) {
        if self.phase == Phase::TakingLast {
            self.phase = Phase::Last;
            self.state.write_statistics(&mut self.round.decision);
            self.close_round();
        }
    }

    /// It is over.
    pub(super) fn end(&mut self, reason: PodError) {
        self.phase = Phase::Ended;
        self.work.clear();
        if matches!(reason, PodError::Stopped) {
            self.act(Action::Release(self.config.plan.epoch));
        }
        self.act(Action::End(reason));
    }
}

//! A store that is put back as it was: a model of what an operator does with a backup.

use super::{output::Output, state::State};
use crate::domain::WorkerId;

/// So many numbers of events belong to one history.
const EVENTS: u64 = 1 << 40;

/// What a store was at some moment.
#[derive(Debug)]
pub(crate) struct MemoryCopy(State);

impl MemoryCopy {
    pub(super) fn of(state: &State) -> Self {
        let mut copy = state.clone();
        copy.output.values_mut().for_each(Output::detach);
        Self(copy)
    }

    /// Takes the place of what there is. Nobody holds it.
    pub(super) fn replace(&self, state: &mut State) {
        let (restorations, time) = (state.restorations + 1, state.time);
        *state = State { restorations, time, ..Self::of(&self.0).0 };
        state.lease.release(state.lease.epoch);
    }
}

impl State {
    /// Numbers of events and of workers go on where none were handed out.
    pub(super) fn begin_history(&mut self) {
        let (number, ids) = (self.restorations, &mut self.last.high_water);
        ids.event = (ids.event / EVENTS + number) * EVENTS;
        ids.worker = (WorkerId(ids.worker).history() + number) * WorkerId::PER_HISTORY;
    }
}

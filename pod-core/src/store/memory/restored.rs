//! A store that is put back as it was: a model of what an operator does with a backup.

use super::{MemoryStore, output::Output, state::State};
use crate::domain::WorkerId;

/// So many numbers of events belong to one history.
const EVENTS: u64 = 1 << 40;

/// What a store was at some moment.
#[derive(Debug)]
pub(crate) struct MemoryCopy(State);

impl MemoryStore {
    /// A copy of everything, rows and output.
    pub(crate) fn copy(&self) -> MemoryCopy {
        MemoryCopy(detached(&self.state()))
    }

    /// Puts a copy into its place, for all handles of it. It notices that, as stores are to do: numbers of events and of
    /// workers go on where none were handed out, and nobody holds it.
    pub(crate) fn restore(&self, copy: &MemoryCopy) {
        self.restore_unnoticed(copy);
        let state = &mut *self.state();
        let (number, ids) = (state.restorations, &mut state.last.high_water);
        ids.event = (ids.event / EVENTS + number) * EVENTS;
        ids.worker = (WorkerId(ids.worker).history() + number) * WorkerId::PER_HISTORY;
    }

    /// The same, of a store that takes itself for what it was.
    pub(crate) fn restore_unnoticed(&self, copy: &MemoryCopy) {
        let state = &mut *self.state();
        let (restorations, time) = (state.restorations + 1, state.time);
        *state = State { restorations, time, ..detached(&copy.0) };
        state.lease.release(state.lease.epoch);
    }
}

fn detached(state: &State) -> State {
    let mut copy = state.clone();
    copy.output.values_mut().for_each(Output::detach);
    copy
}

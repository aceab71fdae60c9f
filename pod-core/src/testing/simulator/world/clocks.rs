//! The clocks of the world: virtual time, which is the truth; the system's clock, which somebody sets; and the age of
//! POD, which does not count what passes while no manager runs and the machine is started anew.

use super::{super::options::Mutant, SimEvent, Step, World, now_or_never};
use crate::{
    domain::{Age, Now, Timestamp},
    store::{ClockMark, ExecutionQuery, SortOrder, Store},
};

const DAY: u64 = 86_400_000;

impl World {
    /// Both times, as a manager reads them.
    pub(super) fn clock(&self) -> Now {
        let wall = Timestamp(self.now + self.ahead);
        let age = match self.options.mutant {
            Some(Mutant::LiveByTheWall) => Age(wall.0),
            _ => Age(self.now - self.uncounted),
        };
        Now { wall, age }
    }

    /// Somebody sets the system's clock: by seconds, or by years; and now and then right.
    pub(super) fn set_clock(&mut self) {
        if self.quiet() || !self.options.clock_faults {
            return;
        }
        let most = [3_000, 3_600_000, 10 * DAY, 3000 * DAY][self.clocks.between(0, 4) as usize];
        let by = self.clocks.between(0, most).cast_signed();
        self.ahead = match self.clocks.between(0, 3) {
            0 => 0,
            1 => self.ahead + by,
            _ => self.ahead - by,
        };
        self.checker.clock_set(self.now, self.ahead);
        self.report.clock_changes += 1;
        self.note(&("the clock is set, and is ahead by", self.ahead));
        let next = self.clocks.between(500, 60_000).cast_signed();
        self.at(next, SimEvent::ClockSet);
    }

    /// What a manager makes of the clocks when it takes over. Now and then the machine was started anew meanwhile.
    pub(super) fn go_on(&mut self, mark: Option<ClockMark>, taken_over: bool) -> Option<ClockMark> {
        let mut mark = mark?;
        if taken_over && self.options.clock_faults && self.clocks.per_mille(300) {
            self.note(&"the machine was started anew");
            self.uncounted = self.now - mark.now.age.0;
            mark.boot = None;
        }
        Some(mark)
    }

    /// Behind the last moment at which the clock was set back, moments are in the order of ids.
    pub(super) fn check_order(&mut self) -> Step {
        let disordered = now_or_never(self.store.disordered()).map_err(|error| error.to_string())?;
        let query = ExecutionQuery {
            after: Some(disordered),
            order: SortOrder::Ascending,
            limit: 1_000_000,
            ..ExecutionQuery::default()
        };
        let rows = now_or_never(self.store.executions(query)).map_err(|error| error.to_string())?;
        match rows.windows(2).find(|pair| pair[0].submitted_at > pair[1].submitted_at) {
            Some(pair) => Err(format!("execution {} bears a later moment than {}", pair[0].id, pair[1].id)),
            None => Ok(()),
        }
    }
}

//! What goes wrong by itself: managers crash, links break, workers die, and the store refuses what it is given.

use std::time::Duration;

use super::{
    super::{
        manager_process::News,
        network::{LinkId, Way},
        options::Fault,
    },
    SimEvent, Step, World,
    lease::MANAGER,
};
use crate::{
    domain::WorkerId,
    manager::Input,
    plan,
    store::{Batch, Change, StoreError},
};

/// A worker that is silent for longer may be taken for lost, and what it ran may run again.
const NOT_LOST: u64 = 8_000;

impl World {
    /// The manager dies; now and then with its machine, by which output is lost that was not made durable.
    pub(super) fn crash_manager(&mut self) {
        self.note(&"the manager crashes");
        self.report.crashes += 1;
        self.manager_is_gone();
        self.close_all();
        if self.faults.per_mille(400) {
            self.report.output_losses += 1;
            self.store.lose_unsynced_output();
        }
        let back = self.faults.between(10, 40_000).cast_signed();
        self.at(back, SimEvent::ManagerBack);
    }

    pub(super) fn close_all(&mut self) {
        for link in self.ends.ends.keys().copied().collect::<Vec<_>>() {
            self.close(link);
        }
    }

    pub(super) fn mischief(&mut self) -> Step {
        if self.quiet() {
            return Ok(());
        }
        let next = self.faults.between(200, 8000).cast_signed();
        self.at(next, SimEvent::Mischief);
        let ids: Vec<WorkerId> = self.machines.keys().copied().collect();
        let victim = (!ids.is_empty()).then(|| ids[self.faults.between(0, ids.len() as u64) as usize]);
        match (self.luck.mischief(&mut self.faults), victim) {
            (0, _) if self.luck.has(Fault::Full) => {
                self.note(&"the store is full");
                self.full_until = self.now + self.faults.between(500, 20_000).cast_signed();
            }
            (1, _) if self.process.is_some() && self.luck.has(Fault::Manager) => return self.disturb_manager(),
            (13, _) if self.luck.has(Fault::Away) => {
                self.note(&"the store is away");
                self.away_until = self.now + self.faults.between(10, 15_000).cast_signed();
            }
            (2..7, Some(id)) if self.luck.has(Fault::Network) => self.disturb(id),
            (7, Some(id)) if self.luck.has(Fault::Death) => {
                self.note(&("worker dies and comes back", id));
                self.report.deaths += 1;
                self.kill(id);
                if let Some(machine) = self.machines.get_mut(&id).filter(|_| self.faults.per_mille(300)) {
                    machine.lose_disk();
                }
                let back = self.faults.between(10, 20_000).cast_signed();
                self.at(back, SimEvent::Boot(id));
            }
            (8, Some(id)) if self.luck.has(Fault::Death) => return self.machine_dies(id),
            (9, Some(id)) if self.luck.has(Fault::Leave) => {
                let (within, at_once) = (self.faults.between(0, 30_000), self.faults.per_mille(200));
                self.note(&("asked to leave", id, within, at_once));
                self.report.leaves += 1;
                if let Some(machine) = self.machines.get_mut(&id) {
                    machine.leave(Duration::from_millis(within), at_once);
                }
            }
            (10 | 11, Some(id)) if self.luck.has(Fault::Pause) => self.pause(id),
            (12, Some(id)) if self.options.clock_faults => {
                let ahead = self.clocks.between(0, 20 * 3_600_000).cast_signed() - 10 * 3_600_000;
                self.note(&("the clock of a machine is set, and is ahead by", id, ahead));
                if let Some(machine) = self.machines.get_mut(&id) {
                    machine.set_clock(ahead);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The manager crashes, is asked to end, or gets no processor for a while, in which another one may take
    /// its lease: under its name, at once, or under another one, once it has expired.
    fn disturb_manager(&mut self) -> Step {
        match self.faults.between(0, 4) {
            0 => {
                self.note(&"the manager is asked to end");
                return self.tell(News::Input(Input::Close));
            }
            1 => {
                let most = if self.options.worker_faults { 60_000 } else { NOT_LOST };
                let time = self.faults.between(100, most).cast_signed();
                self.note(&("the manager gets no processor", time));
                self.report.manager_pauses += 1;
                if let Some(process) = &mut self.process {
                    process.paused_until = self.now + time;
                }
                self.at(time, SimEvent::Resumed);
                match self.faults.between(0, 10) {
                    0 | 1 => return self.take_over(MANAGER),
                    2..6 => {
                        let looks = self.faults.between(0, time.unsigned_abs()).cast_signed();
                        self.at(looks, SimEvent::Rival);
                    }
                    _ => {}
                }
            }
            _ => self.crash_manager(),
        }
        Ok(())
    }

    /// A machine dies. Its links may end by that or fall silent, and its manager may be told.
    fn machine_dies(&mut self, id: WorkerId) -> Step {
        self.note(&("machine dies", id));
        self.report.deaths += 1;
        if self.faults.per_mille(500) {
            for link in self.network.of(id) {
                self.network.silence(link, Way::Up, &mut self.luck);
            }
        }
        self.kill(id);
        self.machines.remove(&id);
        if self.faults.per_mille(500) {
            return self
                .tell(News::Input(Input::Happened(plan::Input::Gone { worker: id, reason: "killed".to_owned() })));
        }
        Ok(())
    }

    /// A worker process gets no processor, or its whole machine sleeps.
    fn pause(&mut self, id: WorkerId) {
        let most = if self.options.worker_faults { 50_000 } else { NOT_LOST };
        let time = self.faults.between(100, most).cast_signed();
        let sleeps = self.faults.per_mille(300);
        self.note(&(if sleeps { "machine sleeps" } else { "worker is stopped" }, id, time));
        let Some(machine) = self.machines.get_mut(&id) else { return };
        if sleeps {
            self.report.sleeps += 1;
            machine.sleep(self.now, time);
        } else {
            self.report.pauses += 1;
            machine.stop_until(self.now + time);
        }
    }

    /// The newest link of a machine breaks in one of the ways in which links do.
    fn disturb(&mut self, id: WorkerId) {
        let Some(link) = self.network.of(id).last().copied() else { return };
        let kind = self.faults.between(0, 10);
        self.note(&("link disturbed", id, link, kind));
        match kind {
            // What is silent for long is lost: only where that may be.
            0..2 if self.options.worker_faults => {
                self.report.silent_cuts += 1;
                self.fall_silent(link, &[Way::Up, Way::Down]);
            }
            2..5 if self.options.worker_faults => {
                self.report.half_open_cuts += 1;
                let way = if self.faults.per_mille(500) { Way::Up } else { Way::Down };
                self.fall_silent(link, &[way]);
            }
            5 | 6 => {
                self.report.stalls += 1;
                let most = if self.options.worker_faults { 25_000 } else { NOT_LOST };
                let until = self.now + self.faults.between(100, most).cast_signed();
                self.network.stall(link, Way::Up, until);
                if self.faults.per_mille(700) {
                    self.network.stall(link, Way::Down, until);
                }
                if let Some(machine) = self.machines.get_mut(&id) {
                    machine.unreachable_until = until;
                }
            }
            _ => self.cut(link),
        }
    }

    /// Nothing arrives any more. A quarter of an hour later, each side's system gives up what it sent, as Linux does.
    fn fall_silent(&mut self, link: LinkId, ways: &[Way]) {
        for way in ways {
            self.network.silence(link, *way, &mut self.luck);
        }
        for way in [Way::Up, Way::Down] {
            let given_up = self.faults.between(900_000, 1_000_000).cast_signed();
            self.at(given_up, SimEvent::LinkEnded(link, way));
        }
    }

    /// A link breaks, with everything that is under way on it.
    fn cut(&mut self, link: LinkId) {
        self.report.cuts += 1;
        for way in [Way::Up, Way::Down] {
            self.network.silence(link, way, &mut self.luck);
            let noticed = self.faults.between(1, 300).cast_signed();
            self.at(noticed, SimEvent::LinkEnded(link, way));
        }
    }

    /// Whether the store takes output.
    pub(super) fn has_room(&self) -> bool {
        self.now >= self.full_until
    }

    /// What the store has against a batch: it is full, or finds a contradiction.
    pub(super) fn refusal(&mut self, batch: &Batch) -> Option<StoreError> {
        let submits = batch.changes.iter().any(|change| matches!(change, Change::InsertExecution(_)));
        // Now and then not even the reserve is enough.
        if self.now < self.full_until && (submits || self.fault(50)) {
            return Some(StoreError::Full("no space is left".into()));
        }
        self.fault(3).then(|| StoreError::Conflict("made up".into()))
    }
}

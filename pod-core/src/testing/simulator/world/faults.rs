//! What goes wrong by itself: managers crash, links break, workers die, and the store refuses what it is given.

use super::{super::options::Mutant, Happening, Step, World};
use crate::{
    domain::{SessionId, WorkerId},
    plan::Input,
    store::{Batch, Change, StoreError},
};

impl World {
    pub(super) fn crash_manager(&mut self) {
        self.note(&"the manager crashes");
        self.report.crashes += 1;
        self.state = None;
        self.links.clear();
        let back = self.faults.between(10, 40_000).cast_signed();
        self.at(back, Happening::ManagerBack);
    }

    pub(super) fn mischief(&mut self) -> Step {
        if self.quiet() {
            return Ok(());
        }
        let next = self.faults.between(200, 8000).cast_signed();
        self.at(next, Happening::Mischief);
        let ids: Vec<WorkerId> = self.workers.keys().copied().collect();
        let victim = (!ids.is_empty()).then(|| ids[self.faults.between(0, ids.len() as u64) as usize]);
        match (self.faults.between(0, 7), victim) {
            (6, _) => {
                self.note(&"the store is full");
                self.full_until = self.now + self.faults.between(500, 20_000).cast_signed();
            }
            (0, _) if self.state.is_some() => self.crash_manager(),
            (1 | 2, Some(id)) => self.cut(id),
            (3, Some(id)) if self.options.worker_faults => {
                self.note(&("worker dies and comes back", id));
                self.report.deaths += 1;
                self.cut(id);
                self.incarnations += 1;
                let incarnation = self.incarnations;
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.restart(incarnation);
                }
            }
            (4, Some(id)) if self.options.worker_faults => {
                self.note(&("worker dies", id));
                self.report.deaths += 1;
                self.cut(id);
                self.workers.remove(&id);
                if self.faults.per_mille(500) {
                    self.manager(vec![Input::Gone { worker: id, reason: "killed".to_owned() }])?;
                }
            }
            _ => {}
        }
        Ok(())
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

    /// As the engine does after a commit that was refused: links end, and the state is loaded anew.
    pub(super) fn start_over(&mut self, error: &StoreError) -> Step {
        self.note(&("refused", error));
        self.report.refusals += 1;
        if self.options.mutant == Some(Mutant::KeepWhatWasRefused) {
            return Ok(());
        }
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            self.cut(id);
        }
        self.load(false)?;
        if let (StoreError::Full(_), Some(state)) = (error, &mut self.state) {
            state.set_full(true);
        }
        Ok(())
    }

    /// The engine asks now and then whether there is room.
    pub(super) fn look_for_room(&mut self) {
        let full = self.now < self.full_until;
        if let Some(state) = &mut self.state {
            state.set_full(full);
        }
    }

    /// The link of a worker breaks, with everything that is under way on it.
    pub(super) fn cut(&mut self, id: WorkerId) {
        self.note(&("link cut", id));
        let sessions: Vec<SessionId> =
            self.links.iter().filter(|(_, (worker, _))| *worker == id).map(|(session, _)| *session).collect();
        for session in sessions {
            self.links.remove(&session);
            self.at(1, Happening::Manager(Input::LinkLost { worker: id, session }));
        }
        let again = self.faults.between(50, 3000).cast_signed();
        self.at(again, Happening::Dial(id));
    }
}

//! What goes wrong by itself: managers crash, links break, workers die.

use super::{Happening, Step, World};
use crate::{
    domain::{SessionId, WorkerId},
    plan::Input,
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
        match (self.faults.between(0, 6), victim) {
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

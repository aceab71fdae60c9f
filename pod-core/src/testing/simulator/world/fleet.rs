//! The machines of the world: they are created and destroyed, live, and die.

use super::{
    super::{
        machine::{Machine, Wish},
        network::Way,
    },
    Happening, Step, World, now_or_never, on_lost,
};
use crate::{
    domain::{AttemptKey, OnLost, WorkerId},
    plan::Input,
    provisioner::ProvisionError,
    store::Store,
    worker::WorkerExit,
};

impl World {
    pub(super) fn create(&mut self, id: WorkerId) {
        let delay = self.faults.between(1, 4000).cast_signed();
        if self.fault(100) {
            let result = Err(ProvisionError::new("no machine to be had"));
            return self.at(delay, Happening::Manager(Input::Created { worker: id, result }));
        }
        self.at(delay, Happening::Manager(Input::Created { worker: id, result: Ok(()) }));
        let machine = Machine::new(id, self.store.id(), self.options.mutant, &mut self.luck);
        self.machines.entry(id).or_insert(machine);
        if !self.fault(50) {
            self.at(delay + 100, Happening::Boot(id)); // else it never dials in
        }
    }

    pub(super) fn destroy(&mut self, id: WorkerId) {
        self.kill(id);
        self.machines.remove(&id);
        let delay = self.faults.between(1, 500).cast_signed();
        let failed = self.fault(50);
        let result = if failed { Err("the machine does not answer".to_owned()) } else { Ok(()) };
        self.at(delay, Happening::Manager(Input::Destroyed { worker: id, result }));
    }

    pub(super) fn list(&mut self) {
        let listed = self.machines.keys().copied().collect();
        self.at(5, Happening::Manager(Input::Listed(listed)));
    }

    /// A worker process begins, where none is.
    pub(super) fn boot(&mut self, id: WorkerId) {
        if let Some(machine) = self.machines.get_mut(&id).filter(|machine| !machine.has_process()) {
            self.incarnations += 1;
            machine.boot(self.incarnations, self.now);
        }
    }

    /// A worker process is killed, with all that it runs. Mostly its links end by that.
    pub(super) fn kill(&mut self, id: WorkerId) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        if let Some(link) = machine.kill(&mut self.ledger)
            && let Some(at) = self.network.send(link, Way::Up, self.now, &mut self.luck).arrives
        {
            self.at(at - self.now, Happening::LinkEnded(link, Way::Up));
        }
    }

    /// When the first of all machines has something to do.
    pub(super) fn next_of_machines(&self) -> Option<i64> {
        self.machines.values().filter_map(Machine::next).min()
    }

    /// Lets all machines do what is due.
    pub(super) fn pass_time(&mut self) -> Step {
        let due = |machine: &Machine| machine.next().is_some_and(|at| at <= self.now);
        let due: Vec<WorkerId> = self.machines.iter().filter(|(_, machine)| due(machine)).map(|(id, _)| *id).collect();
        for id in due {
            let Some(machine) = self.machines.get_mut(&id) else { continue };
            let mut wishes = Vec::new();
            machine.pass(self.now, &mut self.luck, &mut self.ledger, &mut wishes)?;
            for wish in wishes {
                self.grant(id, wish)?;
            }
            for (key, activity) in self.ledger.take_starts() {
                self.started(key, &activity)?;
            }
        }
        Ok(())
    }

    fn grant(&mut self, id: WorkerId, wish: Wish) -> Step {
        match wish {
            Wish::Dial => self.dial(id),
            Wish::Write(link, frame) => {
                let sent = self.network.send(link, Way::Up, self.now, &mut self.luck);
                if let Some(at) = sent.arrives {
                    self.at(at - self.now, Happening::Up(link, frame));
                }
                match sent.written {
                    Some(at) if at > self.now => self.at(at - self.now, Happening::Written(link)),
                    Some(_) => {
                        if let Some(machine) = self.machines.get_mut(&id) {
                            machine.written(link);
                        }
                    }
                    None => {}
                }
            }
            Wish::HangUp(link) => {
                if let Some(at) = self.network.send(link, Way::Up, self.now, &mut self.luck).arrives {
                    self.at(at - self.now, Happening::LinkEnded(link, Way::Up));
                }
            }
            Wish::Exited(exit) => return self.exited(id, &exit),
        }
        Ok(())
    }

    fn dial(&mut self, id: WorkerId) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let reaches = self.state.is_some() && machine.unreachable_until <= self.now;
        let link = reaches.then(|| self.network.open(id, self.now));
        machine.dialled(link, self.now, &mut self.luck);
        if let Some(link) = link {
            self.note(&("dialled", id, link));
            self.accept(link);
        }
    }

    /// A worker process has ended. One that is to return does; the machines of others shut down.
    fn exited(&mut self, id: WorkerId, exit: &WorkerExit) -> Step {
        self.note(&("worker exits", id, exit));
        if let Some((key, place)) = self.ledger.live().find(|(_, place)| place.worker == id) {
            return Err(format!("{key} runs on {place:?}, which has exited"));
        }
        if matches!(exit, WorkerExit::Foreign(_)) {
            return Err(format!("worker {id} took its manager for another one: {exit}"));
        }
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(()) };
        machine.exited();
        if machine.returns() && *exit == WorkerExit::Cancelled {
            let back = self.faults.between(100, 20_000).cast_signed();
            self.at(back, Happening::Boot(id));
        } else {
            self.machines.remove(&id);
            if self.faults.per_mille(300) {
                let gone = Input::Gone { worker: id, reason: exit.to_string() };
                self.at(10, Happening::Manager(gone));
            }
        }
        Ok(())
    }

    /// A program begins to run.
    fn started(&mut self, key: AttemptKey, activity: &str) -> Step {
        self.report.programs += 1;
        // By name: a creation that was refused leaves the ids in another order.
        let on_lost = on_lost(activity);
        if on_lost == OnLost::Fail
            && let Some(other) = self.ledger.runs_elsewhere(key)
        {
            return Err(format!("{key} runs while {other} runs, and was not to run twice"));
        }
        // What failed by itself is tried again by right.
        if !self.retries_of(key)? {
            self.checker.program(key.execution, on_lost, !self.options.worker_faults)?;
        }
        Ok(())
    }

    fn retries_of(&self, key: AttemptKey) -> Step<bool> {
        let execution = now_or_never(self.store.execution(key.execution)).map_err(|error| error.to_string())?;
        Ok(execution.is_some_and(|execution| execution.failures > 0))
    }

    /// What runs, is held by a worker, or is left of the fleet although everything has ended.
    pub(super) fn first_busy(&self) -> Option<String> {
        if let Some((key, place)) = self.ledger.live().next() {
            return Some(format!("{key} runs on {place:?}"));
        }
        if let Some((id, machine)) = self.machines.iter().find(|(_, machine)| !machine.is_idle()) {
            return Some(format!("worker {id} holds {}", machine.holds()));
        }
        let workers = &self.state.as_ref()?.workers;
        let is_left = |id: &&WorkerId| workers.get(id).is_none_or(|state| state.worker.status.is_terminal());
        self.machines.keys().find(is_left).map(|id| format!("the machine of worker {id} is left behind"))
    }
}

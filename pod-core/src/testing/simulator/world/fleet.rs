//! The machines of the world: they are created and destroyed, live, and die.

use super::{
    super::{
        machine::{Machine, Wish},
        manager_process::{Call, News},
        network::Way,
        options::Mutant,
    },
    SimEvent, Step, World, now_or_never, on_lost,
};
use crate::{
    domain::{AttemptKey, OnLost, WorkerId},
    manager::Input,
    plan,
    provisioner::{self, MachineState, ProvisionError},
    store::Store,
    worker::WorkerExit,
};

impl World {
    pub(super) fn create(&mut self, id: WorkerId) -> Step {
        self.call(id, Call::Create)?;
        let delay = self.provisioning_time(4000);
        self.later(delay, id, Call::Create);
        Ok(())
    }

    /// The creation of a worker is given up; there may be a machine already.
    pub(super) fn abandon_creation(&mut self, id: WorkerId) {
        let under_way = self.process.as_ref().is_some_and(|process| process.calls.get(&id) == Some(&Call::Create));
        if !under_way {
            return; // it is over, and the manager is about to hear of it
        }
        self.report.abandoned += 1;
        if self.faults.per_mille(500) {
            self.make(id, self.ledger.history);
        }
        if let Some(process) = &mut self.process {
            process.calls.insert(id, Call::Abandon);
        }
        let delay = self.faults.between(0, 300).cast_signed();
        self.later(delay, id, Call::Abandon);
    }

    pub(super) fn destroy(&mut self, id: WorkerId) -> Step {
        self.call(id, Call::Destroy)?;
        let delay = self.provisioning_time(500);
        // Some machines are gone long before their provider says so, and others only then.
        let at_once = !self.options.worker_faults || self.faults.per_mille(500);
        if at_once && self.options.mutant != Some(Mutant::ForgetToDestroy) {
            self.take_away(id);
        }
        self.later(delay, id, Call::Destroy);
        Ok(())
    }

    /// Now and then a provider takes its time.
    fn provisioning_time(&mut self, usual: u64) -> i64 {
        let most = if self.fault(50) { 90_000 } else { usual };
        self.faults.between(1, most).cast_signed()
    }

    /// The manager calls the provisioner: about a worker of which nothing else is under way.
    fn call(&mut self, id: WorkerId, call: Call) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        match process.calls.insert(id, call) {
            Some(other) => {
                Err(format!("the provisioner was asked to {call:?} worker {id} while it had to {other:?} it"))
            }
            None => Ok(()),
        }
    }

    fn later(&mut self, delay: i64, id: WorkerId, call: Call) {
        if let Some(process) = &self.process {
            self.at(delay, SimEvent::Provisioned(process.number, id, call));
        }
    }

    /// The provisioner is done. What it was asked by a manager that is dead, it does all the same, or not.
    pub(super) fn provisioned(&mut self, number: u64, id: WorkerId, call: Call) -> Step {
        let asks = self.process.as_ref().filter(|process| process.number == number);
        let is_asked = asks.is_some_and(|process| process.calls.get(&id) == Some(&call));
        if !is_asked {
            // It was given up, or whoever asked is dead.
            if asks.is_none() && self.faults.per_mille(500) {
                match call {
                    Call::Create => self.make(id, self.history_of(number)),
                    Call::Abandon => {}
                    Call::Destroy => self.take_away(id),
                }
            }
            return Ok(());
        }
        let failed = self.fault(if call == Call::Create { 100 } else { 50 });
        let input = match call {
            Call::Create if failed => {
                let result = Err(ProvisionError::new("no machine to be had"));
                Input::Happened(plan::Input::Created { worker: id, result })
            }
            Call::Create => {
                self.make(id, self.ledger.history);
                Input::Happened(plan::Input::Created { worker: id, result: Ok(()) })
            }
            Call::Abandon => Input::CreationAbandoned(id),
            Call::Destroy if failed => {
                let result = Err("the machine does not answer".to_owned());
                Input::Happened(plan::Input::Destroyed { worker: id, result })
            }
            Call::Destroy => {
                if self.options.mutant != Some(Mutant::ForgetToDestroy) {
                    self.take_away(id);
                }
                Input::Happened(plan::Input::Destroyed { worker: id, result: Ok(()) })
            }
        };
        if let Some(process) = &mut self.process {
            process.calls.remove(&id);
        }
        self.tell(News::Input(input))
    }

    /// There is a machine.
    fn make(&mut self, id: WorkerId, history: u32) {
        if self.machines.contains_key(&id) {
            return;
        }
        let machine = Machine::new(id, history, &self.store, self.options.mutant, &mut self.luck);
        self.machines.insert(id, machine);
        if !self.fault(50) {
            self.at(100, SimEvent::Boot(id)); // else it never dials in
        }
    }

    /// A machine is not there any more.
    fn take_away(&mut self, id: WorkerId) {
        self.kill(id);
        self.machines.remove(&id);
    }

    /// What is listed is as it was when that was asked for, and that may be long ago.
    pub(super) fn list(&mut self) {
        let machine = |(id, machine): (&WorkerId, &Machine)| {
            let state = if machine.has_process() { MachineState::Running } else { MachineState::Stopped };
            provisioner::Machine::new(*id, state)
        };
        let listed = self.machines.iter().map(machine).collect();
        let late = if self.fault(200) { self.faults.between(5, 30_000).cast_signed() } else { 5 };
        self.at(late, SimEvent::News(News::Input(Input::Happened(plan::Input::Listed(listed)))));
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
            self.at(at - self.now, SimEvent::LinkEnded(link, Way::Up));
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
            for (key, (activity, revision)) in self.ledger.take_starts() {
                self.checker.runs(key, revision)?;
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
                    self.at(at - self.now, SimEvent::Up(link, frame));
                }
                match sent.written {
                    Some(at) if at > self.now => self.at(at - self.now, SimEvent::Written(link)),
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
                    self.at(at - self.now, SimEvent::LinkEnded(link, Way::Up));
                }
            }
            Wish::Exited(exit) => return self.exited(id, &exit),
        }
        Ok(())
    }

    fn dial(&mut self, id: WorkerId) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let reaches = self.process.is_some() && machine.unreachable_until <= self.now;
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
        let is_outdated = self.is_outdated(id);
        if matches!(exit, WorkerExit::WrongManager(_)) && !is_outdated {
            return Err(format!("worker {id} took its manager for another one: {exit}"));
        }
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(()) };
        machine.exited();
        if machine.returns() && *exit == WorkerExit::Cancelled {
            let back = self.faults.between(100, 20_000).cast_signed();
            self.at(back, SimEvent::Boot(id));
        } else {
            self.machines.remove(&id);
            if self.faults.per_mille(300) {
                let gone = plan::Input::Gone { worker: id, reason: exit.to_string() };
                self.at(10, SimEvent::News(News::Input(Input::Happened(gone))));
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

    /// Whether a program runs, a worker holds something, or a machine is left behind.
    pub(super) fn is_busy(&self) -> bool {
        let is_busy = |(id, machine): (&WorkerId, &Machine)| !machine.is_idle() || self.is_left_behind(*id);
        self.ledger.live().next().is_some() || self.machines.iter().any(is_busy)
    }

    /// Whether no manager knows of a machine any more.
    fn is_left_behind(&self, id: WorkerId) -> bool {
        let Some(state) = self.state() else { return false };
        state.workers.get(&id).is_none_or(|state| state.worker.status.is_terminal())
    }

    /// What runs, is held by a worker, or is left of the fleet although everything has ended.
    pub(super) fn first_busy(&self) -> String {
        if let Some((key, place)) = self.ledger.live().next() {
            return format!("{key} runs on {place:?}");
        }
        if let Some((id, machine)) = self.machines.iter().find(|(_, machine)| !machine.is_idle()) {
            return format!("worker {id} holds {}", machine.holds());
        }
        let left = self.machines.keys().find(|id| self.is_left_behind(**id));
        left.map_or_else(String::new, |id| format!("the machine of worker {id} is left behind"))
    }
}

//! Two kinds of workers in one fleet.

use super::harness::{ACTIVITY, Harness, REVISION};
use crate::{
    api::{PodError, Registration, Reply, Request},
    domain::{
        ActivitySettings, ActivitySource, AttemptOutcome, ExecutionId, ExecutionStatus, Isolation, NewActivity,
        NewExecution, WorkerId, WorkerStatus,
    },
    link::{FromWorker, InstallOutcome},
    plan::Effect,
    provisioner::Capabilities,
};

fn isolated(name: &str) -> Request {
    let settings = ActivitySettings { isolation: Some(Isolation::Execution), ..ActivitySettings::default() };
    let new = NewActivity { name: name.to_owned(), content: ActivitySource::Script("cp x main.sh".into()), settings };
    Request::CreateActivity { new, registration: Registration::Create }
}

/// A planner whose workers may be of both kinds, with `echo` and with `apart`, whose executions are isolated.
fn rig(workers: u32) -> Harness {
    let mut rig = Harness::new(ActivitySettings::default(), workers);
    rig.state.config.capabilities = Capabilities { default_isolation: Isolation::Worker, supports_all: true };
    rig
}

impl Harness {
    fn start_one(&mut self, activity: &str) -> ExecutionId {
        let Reply::Submitted(submitted) = self.ask(Request::Submit(NewExecution::new(activity))) else { panic!() };
        submitted.id
    }

    fn add_apart(&mut self) {
        self.ask(isolated("apart"));
    }

    /// What was created since this was last asked, by kind.
    fn kinds_created(&mut self) -> Vec<(u64, Isolation)> {
        let created = |effect| match effect {
            Effect::Create(WorkerId(id), isolation) => Some((id, isolation)),
            _ => None,
        };
        std::mem::take(&mut self.effects).into_iter().filter_map(created).collect()
    }

    fn installs_everything(&mut self, worker: u64) {
        loop {
            let wanted = self.effects.iter().find_map(|effect| match effect {
                Effect::Install(WorkerId(id), activity, revision) if *id == worker => Some((*activity, *revision)),
                _ => None,
            });
            let Some((activity, revision)) = wanted else { return };
            self.effects.retain(|effect| !matches!(effect, Effect::Install(WorkerId(id), ..) if *id == worker));
            self.said(worker, FromWorker::InstallEnded { activity, revision, outcome: InstallOutcome::Installed });
        }
    }

    fn worker_of(&self, execution: ExecutionId) -> Option<u64> {
        self.stored[&execution].worker.map(|worker| worker.0)
    }
}

#[test]
fn each_execution_runs_on_a_worker_of_its_kind() {
    let mut rig = rig(2);
    let echo = rig.submit();
    rig.add_apart();
    let apart = rig.start_one("apart");
    let created = rig.kinds_created();
    assert_eq!(created, [(1, Isolation::Worker), (2, Isolation::Worker)], "the policy wants two");
    rig.connect(1, 2);
    rig.installs_everything(1);
    rig.connect(2, 2);
    rig.pass(1000);
    // The second has nothing to do, and makes room.
    assert!(
        rig.state.workers[&WorkerId(2)].worker.status.is_terminal() || rig.state.workers[&WorkerId(2)].worker.draining
    );
    assert_eq!(rig.state.workers[&WorkerId(3)].worker.isolation, Isolation::Execution);
    rig.connect(3, 2);
    for worker in [1, 2, 3] {
        rig.installs_everything(worker);
    }
    rig.pass(1000);
    rig.installs_everything(3);
    assert_eq!((rig.worker_of(echo), rig.worker_of(apart)), (Some(1), Some(3)));
    let installed =
        |worker: u64| rig.state.workers[&WorkerId(worker)].installations.keys().copied().collect::<Vec<_>>();
    assert_eq!(installed(1), [(ACTIVITY, REVISION)]);
    assert_eq!(installed(3).len(), 1);
    assert_ne!(installed(3), installed(1));
}

#[test]
fn the_only_worker_makes_room_when_it_is_idle_and_not_while_it_is_busy() {
    let mut rig = rig(1);
    let echo = rig.submit();
    rig.connect(1, 1);
    rig.installs_everything(1);
    rig.runs(1, echo);
    rig.add_apart();
    let apart = rig.start_one("apart");
    rig.kinds_created();
    rig.said(1, FromWorker::Heartbeat);
    rig.pass(1000);
    assert_eq!(rig.kinds_created(), []);
    assert!(!rig.state.workers[&WorkerId(1)].worker.draining, "a busy worker is not let go");
    let said = rig.sentences(apart);
    assert!(
        said.contains(
            &"No worker that runs each execution in a container of its own is there, and the active policy allows no \
              more than 1; one of the others makes room."
                .to_owned()
        ),
        "{said:?}"
    );
    rig.ends(1, echo, AttemptOutcome::Exited(0));
    rig.pass(1000);
    assert_eq!(rig.kinds_created(), [(2, Isolation::Execution)]);
    rig.connect(2, 1);
    rig.installs_everything(2);
    rig.pass(1000);
    rig.installs_everything(2);
    assert_eq!(rig.worker_of(apart), Some(2));
}

#[test]
fn neither_kind_starves_beside_the_other() {
    let mut rig = rig(1);
    let echoes = [(); 3].map(|()| rig.submit());
    rig.connect(1, 1);
    rig.installs_everything(1);
    rig.add_apart();
    rig.kinds_created();
    rig.runs(1, echoes[0]);
    let apart = rig.start_one("apart");
    // Longer than anything may wait.
    let most = rig.state.rules().max_wait.0 / 1000;
    for _ in 0..most + 2 {
        rig.said(1, FromWorker::Heartbeat);
        rig.pass(1000);
    }
    assert!(rig.state.workers[&WorkerId(1)].worker.draining, "it takes nothing more");
    assert_eq!(rig.stored[&echoes[0]].status, ExecutionStatus::Running, "what it runs is not disturbed");
    rig.ends(1, echoes[0], AttemptOutcome::Exited(0));
    rig.pass(1000);
    let kinds: Vec<_> = rig.state.workers.values().map(|state| state.worker.isolation).collect();
    assert!(kinds.contains(&Isolation::Execution), "{kinds:?}");
    rig.connect(2, 1);
    rig.installs_everything(2);
    rig.pass(1000);
    assert_eq!(rig.worker_of(apart), Some(2));
    assert_eq!(rig.state.workers[&WorkerId(1)].worker.status, WorkerStatus::Draining);
}

#[test]
fn what_the_backend_cannot_make_is_refused_and_said() {
    let mut rig = Harness::new(ActivitySettings::default(), 1);
    let refused = rig.try_ask(isolated("apart"));
    assert!(matches!(refused, Err(PodError::IsolationImpossible(Isolation::Execution))), "{refused:?}");
    // As it is after a start with another backend.
    let mut rig =
        Harness::new(ActivitySettings { isolation: Some(Isolation::Execution), ..ActivitySettings::default() }, 1);
    let id = rig.submit();
    rig.connect(1, 1);
    let said = rig.sentences(id);
    assert!(said[0].contains("use a backend that makes containers"), "{said:?}");
    rig.kinds_created();
    rig.pass(60_000);
    assert_eq!(rig.kinds_created(), [], "nothing is launched for it");
}

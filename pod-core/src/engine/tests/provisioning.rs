//! A provisioner that hangs or panics is given up, and what came of it is told.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::within;
use crate::{
    api::Limits,
    domain::{Epoch, Isolation, Millis, WorkerId},
    engine::{message::Message, provisioning::Provisioning, shared::Shared},
    observe::Unobserved,
    plan::{Config, Input, Window},
    provisioner::{Capabilities, Machine, ProvisionError, Provisioner, WorkerSpec},
    scheduler::DefaultScheduler,
    store::{MemoryStore, Store as _},
};

/// Workers up to here hang in their creation, that of this number panics, and those beyond are quick.
const HANGING: u64 = 100;

/// Notes what it is asked and what is given up.
#[derive(Clone, Debug, Default)]
struct Slow(Arc<Mutex<Vec<(&'static str, u64)>>>);

impl Slow {
    fn note(&self, what: &'static str, worker: WorkerId) {
        self.0.lock().unwrap().push((what, worker.0));
    }

    fn noted(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().unwrap().clone()
    }
}

/// Notes that a call was dropped before it was over.
struct Drops<'a>(&'a Slow, WorkerId);

impl Drop for Drops<'_> {
    fn drop(&mut self) {
        self.0.note("given up", self.1);
    }
}

#[async_trait]
impl Provisioner for Slow {
    fn name(&self) -> &str {
        "test"
    }

    async fn create(&self, worker: WorkerId, _: &WorkerSpec) -> Result<(), ProvisionError> {
        self.note("create", worker);
        assert_ne!(worker.0, HANGING, "a provisioner that panics");
        if worker.0 < HANGING {
            let _drops = Drops(self, worker);
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        self.note("destroy", worker);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Machine>, ProvisionError> {
        Ok(Vec::new())
    }
}

fn provisioning(provisioner: &Slow) -> (Provisioning, mpsc::Receiver<Message>) {
    let store = MemoryStore::new();
    let config = Config {
        backend: "test".into(),
        store: store.id(),
        epoch: Epoch(1),
        limits: Limits::default(),
        launch_timeout: Millis::from_secs(600),
        capabilities: Capabilities::default(),
        scheduler: Arc::new(DefaultScheduler),
        window: Window::default(),
        oldest_version: crate::link::OLDEST_VERSION,
    };
    let shared = Arc::new(Shared::new(
        Arc::new(store),
        None,
        Arc::new(Unobserved),
        Millis(0),
        (crate::store::Holder::new("test"), Millis(1000)),
    ));
    let (sender, inbox) = mpsc::channel(64);
    (Provisioning::new(shared, sender, Arc::new(provisioner.clone()), &config), inbox)
}

/// Which worker the next answer is about, and whether it went well.
async fn answer(inbox: &mut mpsc::Receiver<Message>) -> (&'static str, u64, bool) {
    match within(inbox.recv()).await {
        Some(Message::Happened(Input::Created { worker, result })) => ("created", worker.0, result.is_ok()),
        Some(Message::Happened(Input::Destroyed { worker, result })) => ("destroyed", worker.0, result.is_ok()),
        Some(Message::CreationAbandoned(worker)) => ("abandoned", worker.0, true),
        other => panic!("{other:?} is no answer of a provisioner"),
    }
}

#[tokio::test]
async fn a_creation_that_is_not_wanted_any_more_is_dropped_before_that_is_told() {
    let (slow, worker) = (Slow::default(), WorkerId(HANGING - 1));
    let (mut provisioning, mut inbox) = provisioning(&slow);
    provisioning.create(worker, Isolation::Worker);
    while slow.noted().is_empty() {
        tokio::task::yield_now().await;
    }
    provisioning.abandon_creation(worker);
    assert_eq!(answer(&mut inbox).await, ("abandoned", worker.0, true));
    assert_eq!(slow.noted(), [("create", worker.0), ("given up", worker.0)]);
    provisioning.create(WorkerId(HANGING + 1), Isolation::Worker);
    assert_eq!(answer(&mut inbox).await, ("created", HANGING + 1, true));
    // Its answer was told: there is nothing to give up.
    provisioning.abandon_creation(WorkerId(HANGING + 1));
}

#[tokio::test]
async fn a_panic_is_an_answer_and_what_comes_after_it_is_asked_for() {
    let slow = Slow::default();
    let (mut provisioning, mut inbox) = provisioning(&slow);
    provisioning.create(WorkerId(HANGING), Isolation::Worker);
    assert_eq!(answer(&mut inbox).await, ("created", HANGING, false));
    for _ in 0..2 {
        provisioning.destroy(WorkerId(HANGING));
        assert_eq!(answer(&mut inbox).await, ("destroyed", HANGING, true));
    }
}

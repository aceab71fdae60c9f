//! Setting up a POD.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use tokio::sync::mpsc;

use super::{Pod, PodError};
use crate::{
    domain::Millis,
    engine::{Driver, Engine, INBOX, Links, Shared},
    plan::{Config, State},
    provisioner::{Backend, BackendContext},
    scheduler::{DefaultScheduler, Scheduler},
    store::Store,
};

/// Fetches installation scripts. The engine asks once per revision and pins what it gets.
#[async_trait]
pub trait FetchScript: Debug + Send + Sync + 'static {
    /// Whether this address could be fetched at all: a sentence when not. Called before an activity is registered; no IO.
    fn check(&self, url: &str) -> Result<(), String>;

    /// Fetches it, within limits of time, size and redirects; a sentence when that failed.
    async fn fetch(&self, url: &str) -> Result<FetchedScript, String>;
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedScript {
    /// The bytes as they came.
    pub bytes: Bytes,
}

/// Everything a POD is set up with. Only a store and a backend are needed.
#[derive(Debug, Default)]
pub struct Builder {
    store: Option<Arc<dyn Store>>,
    backend: Option<Box<dyn Backend>>,
    fetch: Option<Arc<dyn FetchScript>>,
    scheduler: Option<Arc<dyn Scheduler>>,
    limits: Limits,
}

/// Times, counts and sizes; the defaults are those of the documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many executions one worker runs at a time.
    pub slots: u32,
    /// The longest input in bytes.
    pub max_input: usize,
    /// The longest script or archive in bytes.
    pub max_payload: usize,
    /// How long an installation script may run.
    pub install_timeout: Millis,
    /// Between TERM and KILL.
    pub grace: Millis,
    /// How many bytes of output of one attempt keep their place; then only a tail is kept.
    pub output_cap: u64,
    /// How often a worker says something.
    pub heartbeat: Millis,
    /// Silent for so long: no new work.
    pub unreachable_after: Millis,
    /// Silent for so long: its work is given up.
    pub lost_after: Millis,
    /// After so many lost attempts an execution fails.
    pub max_losses: u32,
    /// How long ended executions are kept.
    pub retention: Millis,
    /// Before the first retry; doubled for each further one, up to five minutes.
    pub retry_backoff: Millis,
    /// How long a worker goes on without a manager while it runs nothing.
    pub give_up_after: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slots: std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
            max_input: 1 << 20,
            max_payload: 32 << 20,
            install_timeout: Millis::from_secs(1800),
            grace: Millis::from_secs(10),
            output_cap: 64 << 20,
            heartbeat: Millis::from_secs(5),
            unreachable_after: Millis::from_secs(15),
            lost_after: Millis::from_secs(30),
            max_losses: 3,
            retention: Millis::from_secs(7 * 24 * 3600),
            retry_backoff: Millis::from_secs(1),
            give_up_after: Millis::from_secs(600),
        }
    }
}

impl Builder {
    /// Where everything is kept. Needed.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// As [`Builder::store`], for a store that is shared.
    #[must_use]
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Where executions run. Needed.
    #[must_use]
    pub fn backend(mut self, backend: impl Backend) -> Self {
        self.backend = Some(Box::new(backend));
        self
    }

    /// What fetches installation scripts; without it, activities come as text or directories only.
    #[must_use]
    pub fn fetch(mut self, fetch: impl FetchScript) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// What decides where executions go and how large the fleet is; the default one where none is given.
    #[must_use]
    pub fn scheduler(mut self, scheduler: impl Scheduler) -> Self {
        self.scheduler = Some(Arc::new(scheduler));
        self
    }

    /// Times, counts and sizes.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes the store's lease, loads what it holds, starts the backend and the engine.
    ///
    /// Fails when the store or the backend is missing or does not work; nothing runs then.
    pub async fn start(self) -> Result<Pod, PodError> {
        let missing = |what: &str| PodError::Invalid(format!("a POD needs a {what}; give one to Pod::builder()"));
        let store = self.store.ok_or_else(|| missing("store"))?;
        let backend = self.backend.ok_or_else(|| missing("backend"))?;
        let for_engine = store.for_engine().unwrap_or_else(|| store.clone());
        let shared = Arc::new(Shared::new(for_engine, self.fetch));
        let lease = store.acquire(shared.now()).await?;
        let snapshot = store.load().await?;
        let (sender, inbox) = mpsc::channel(INBOX);
        let context = BackendContext {
            store: store.id(),
            busy: snapshot.running.iter().map(|(_, attempt)| attempt.worker).collect(),
            links: Links::new(shared.clone(), sender.clone()),
            shutdown: shared.stop_token(),
        };
        // The engine ends with its handle, and the backend with the engine: also when this future is dropped here.
        let engine = Arc::new(Engine::new(store.clone(), shared.clone(), sender.clone()));
        let provisioner = match backend.start(context).await {
            Ok(provisioner) => provisioner,
            Err(error) => {
                shared.end(PodError::Stopped);
                return Err(error.into());
            }
        };
        let config = Config {
            store: store.id(),
            epoch: lease.epoch,
            limits: self.limits,
            launch_timeout: provisioner.launch_timeout(),
            capabilities: provisioner.capabilities(),
            scheduler: self.scheduler.unwrap_or_else(|| Arc::new(DefaultScheduler)),
            window: crate::plan::Window::default(),
        };
        let state = State::load(config.clone(), snapshot, shared.now());
        let driver = Driver::new(shared.clone(), (sender, inbox), config, state, provisioner);
        shared.spawn(driver.run());
        Ok(Pod { engine })
    }
}

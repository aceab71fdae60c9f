//! Setting up a POD.

use std::{collections::HashSet, fmt::Debug, sync::Arc};

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::handle::Pod;
use crate::{
    api::{Limits, PodError},
    domain::{Epoch, Worker, WorkerId},
    engine::{Engine, INBOX, Links, ManagerTask, Shared, load},
    fetcher::ScriptFetcher,
    manager::ManagerConfig,
    observe::{Observer, Unobserved},
    plan::Config,
    provisioner::{Backend, BackendContext, OpenWorker},
    scheduler::{DefaultScheduler, Scheduler},
    store::{Holder, Snapshot, Store, StoreError},
};

/// Everything a POD is set up with. Only a store and a backend are needed.
///
/// ```
/// # use pod_core::{store::MemoryStore, testing::in_process::InProcess};
/// use pod_core::{Limits, Pod, domain::Millis};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), pod_core::PodError> {
/// # let (store, backend) = (MemoryStore::new(), InProcess::new(|_| async { 0 }));
/// let limits = Limits { slots: 2, grace_period: Millis::from_secs(3), ..Limits::default() };
/// let pod = Pod::builder().store(store).backend(backend).limits(limits).start().await?;
/// # pod.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct PodBuilder {
    store: Option<Arc<dyn Store>>,
    backend: Option<Box<dyn Backend>>,
    fetch: Option<Arc<dyn ScriptFetcher>>,
    scheduler: Option<Arc<dyn Scheduler>>,
    limits: Limits,
    observer: Option<Arc<dyn Observer>>,
    holder: Option<Holder>,
}

impl PodBuilder {
    /// Where everything is kept. Needed.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// As [`PodBuilder::store`], for a store that is shared.
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
    pub fn fetch(mut self, fetch: impl ScriptFetcher) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// What decides where executions go and how large the fleet is; the default one where none is given.
    #[must_use]
    pub fn scheduler(mut self, scheduler: impl Scheduler) -> Self {
        self.scheduler = Some(Arc::new(scheduler));
        self
    }

    /// What is told what there is to count.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// As whom the manager holds the store. A manager that was killed is known by its name when it comes back, and need not
    /// wait until its lease expires. Unless it is given, that is the host name of the machine: give one where that changes
    /// with each start, as in containers, or where several managers of a machine share a store.
    #[must_use]
    pub fn holder(mut self, holder: Holder) -> Self {
        self.holder = Some(holder);
        self
    }

    /// Times, counts and sizes.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes the store's lease, loads what it holds, starts the backend and the engine. Dropping the future leaves
    /// nothing that runs. Needs to be called in a tokio runtime with its clock and its IO enabled, which the POD runs on from
    /// then on.
    ///
    /// # Errors
    ///
    /// [`PodError::Invalid`] when the store or the backend is missing, [`PodError::InvalidLimit`] when a limit is out of
    /// its bounds, [`PodError::StoreHeld`] when another manager holds the store, [`PodError::Store`] and [`PodError::Provision`] when one of them does not work. Nothing runs then.
    pub async fn start(self) -> Result<Pod, PodError> {
        self.start_boxed().await
    }

    /// Boxed, so that it and the engine that it starts are compiled here, and not in every crate that starts a POD.
    fn start_boxed(mut self) -> BoxFuture<'static, Result<Pod, PodError>> {
        Box::pin(async move {
            self.limits.check()?;
            let missing = |what: &str| PodError::Invalid(format!("a POD needs a {what}; give one to Pod::builder()"));
            let store = self.store.ok_or_else(|| missing("store"))?;
            let backend = self.backend.ok_or_else(|| missing("backend"))?;
            let observer = self.observer.unwrap_or_else(|| Arc::new(Unobserved));
            let for_engine = store.engine_handle().unwrap_or_else(|| store.clone());
            let shared = Arc::new(Shared::new(
                for_engine,
                self.fetch,
                observer,
                self.limits.grace_period,
                (self.holder.unwrap_or_else(of_this_machine), self.limits.lease_ttl),
            ));
            let loaded = load(&shared).await?;
            let (sender, inbox) = mpsc::channel(INBOX);
            let context = BackendContext {
                store: store.id(),
                workers: open_workers(&loaded.snapshot),
                links: Arc::new(Links::new(shared.clone(), sender.clone())),
                shutdown: shared.stop_token(),
            };
            // The engine ends with its handle, and the backend with the engine: also when this future is dropped here.
            let engine = Arc::new(Engine::new(store.clone(), shared.clone(), sender.clone()));
            let provisioner = match backend.start(context).await {
                Ok(provisioner) => provisioner,
                Err(error) => {
                    give_up(&shared, loaded.epoch).await;
                    return Err(error.into());
                }
            };
            if let Some(slots) = provisioner.slots() {
                self.limits.slots = slots;
                if let Err(error) = self.limits.check() {
                    give_up(&shared, loaded.epoch).await;
                    return Err(error.into());
                }
            }
            // The backend may have taken longer than the lease lasts. What else is wrong is a matter of the next renewal.
            if let Err(StoreError::Fenced) = shared.store.renew(loaded.epoch, shared.lease_ttl).await {
                give_up(&shared, loaded.epoch).await;
                return Err(StoreError::Fenced.into());
            }
            let limits = Arc::new(self.limits.clone());
            let config = Config {
                store: store.id(),
                epoch: loaded.epoch,
                limits: self.limits,
                backend: provisioner.name().into(),
                launch_timeout: provisioner.launch_timeout(),
                capabilities: provisioner.capabilities(),
                scheduler: self.scheduler.unwrap_or_else(|| Arc::new(DefaultScheduler)),
                window: crate::plan::Window::default(),
                oldest_version: crate::link::OLDEST_VERSION,
            };
            let config = ManagerConfig { plan: config, workers_stay: provisioner.workers_stay() };
            let task = ManagerTask::new(shared.clone(), (sender, inbox), config, loaded, provisioner);
            shared.spawn(task.run());
            Ok(Pod { engine, terms: None, limits })
        })
    }
}

/// The workers that were made and have not ended.
fn open_workers(snapshot: &Snapshot) -> Arc<[OpenWorker]> {
    let busy: HashSet<WorkerId> = snapshot.running.iter().map(|(_, attempt)| attempt.worker).collect();
    let made = snapshot.workers.iter().filter(|worker| !worker.status.is_terminal() && !worker.self_registered);
    let open = |worker: &Worker| OpenWorker {
        id: worker.id,
        backend: worker.backend.clone(),
        busy: busy.contains(&worker.id),
    };
    made.map(open).collect()
}

/// Ends what has not begun, and gives the lease back.
async fn give_up(shared: &Shared, epoch: Epoch) {
    shared.end(PodError::Stopped);
    if let Err(error) = shared.store.release(epoch).await {
        tracing::debug!(%error, "the lease is not given back, and expires");
    }
}

/// The holder that has the host name of this machine.
fn of_this_machine() -> Holder {
    Holder::new(rustix::system::uname().nodename().to_string_lossy())
}

impl Pod {
    /// Sets up a POD.
    #[must_use]
    pub fn builder() -> PodBuilder {
        PodBuilder::default()
    }
}

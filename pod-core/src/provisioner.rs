//! The trait of what creates and destroys workers.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use crate::{
    domain::{Isolation, StoreId, Timestamp, WorkerId},
    link::Transport,
};

/// Creates and destroys workers: processes, containers, machines. Knows nothing of queues or executions.
///
/// The least that one has to do. What it creates calls [`crate::worker::run`] somewhere, and dials to where the
/// [`Backend`] listens:
///
/// ```
/// use std::{collections::BTreeSet, sync::Mutex};
///
/// use async_trait::async_trait;
/// use pod_core::{domain::WorkerId, provisioner::*};
///
/// /// Machines that are started and stopped by calls to somebody's API.
/// #[derive(Debug, Default)]
/// struct Machines {
///     there: Mutex<BTreeSet<WorkerId>>,
/// }
///
/// #[async_trait]
/// impl Provisioner for Machines {
///     fn name(&self) -> &str {
///         "machines"
///     }
///
///     async fn create(&self, worker: WorkerId, _spec: &WorkerSpec) -> Result<(), ProvisionError> {
///         // Asked again, it is the same machine: its name is made of the worker's number, and the API refuses a second one.
///         self.there.lock().map_err(|_| ProvisionError::new("the list is damaged"))?.insert(worker);
///         Ok(())
///     }
///
///     async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError> {
///         self.there.lock().map_err(|_| ProvisionError::new("the list is damaged"))?.remove(&worker);
///         Ok(())
///     }
///
///     async fn list(&self) -> Result<Vec<Machine>, ProvisionError> {
///         let there = self.there.lock().map_err(|_| ProvisionError::new("the list is damaged"))?;
///         Ok(there.iter().map(|worker| Machine::new(*worker, MachineState::Running)).collect())
///     }
/// }
/// ```
#[async_trait]
pub trait Provisioner: Debug + Send + Sync + 'static {
    /// What it is called in the rows of its workers: by that, a backend which starts with these rows knows its own, and whose
    /// the others are. It stays the same from release to release. Those of POD are `local`, `docker` and `swarm`.
    fn name(&self) -> &str;

    /// Creates that worker, which will dial its manager. Returns when that was accepted, and need not wait until the worker
    /// runs: it is taken for created when it says hello. Idempotent per worker: asked again, it is the same worker.
    /// Dropping the future leaves a worker that `list` finds or none: that is done when the worker is not wanted any more,
    /// and followed by `destroy`. Nothing else is asked about a worker while this is under way.
    async fn create(&self, worker: WorkerId, spec: &WorkerSpec) -> Result<(), ProvisionError>;

    /// Destroys that worker with everything it runs; returns when it is gone. One that is not there is fine. Asked once
    /// until it answers; one that takes ten minutes is dropped, and asked again.
    async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError>;

    /// The machines of this store that exist, one for each worker, and no others.
    async fn list(&self) -> Result<Vec<Machine>, ProvisionError>;

    /// How long `create` → hello may take before the worker counts as failed.
    fn launch_timeout(&self) -> crate::domain::Millis {
        crate::domain::Millis::from_secs(600)
    }

    /// How many executions each of its workers runs at a time, where it decides that itself and not
    /// [`crate::Limits::slots`]. Asked once, when the engine starts.
    fn slots(&self) -> Option<u32> {
        None
    }

    /// Whether its workers go on when this process ends, with what they run. Those that do not are let [`leave`] before
    /// the engine ends.
    ///
    /// [`leave`]: Provisioner::leave
    fn workers_stay(&self) -> bool {
        true
    }

    /// The engine ends: asks all workers to leave as [`crate::worker::Leave`] says, what runs may end within that time,
    /// and returns when they have left. Dropping the future takes nothing back; asked again, the shorter time counts.
    /// Only called where workers do not stay.
    async fn leave(&self, _within: std::time::Duration) {}

    /// Which kinds of workers it makes.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

/// What a provisioner can make. The default: workers that run executions beside each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The kind of worker for activities that do not say which they want.
    pub default_isolation: Isolation,
    /// Whether it makes the other kind, too.
    pub supports_all: bool,
}

impl Capabilities {
    /// The kinds of workers that it makes, the usual one first.
    #[must_use]
    pub fn kinds(self) -> Vec<Isolation> {
        match (self.default_isolation, self.supports_all) {
            (usual, false) => vec![usual],
            (Isolation::Worker, true) => vec![Isolation::Worker, Isolation::Execution],
            (Isolation::Execution, true) => vec![Isolation::Execution, Isolation::Worker],
        }
    }
}

/// What a worker runs on, as its backend knows it: a process, a container, a service, a virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Machine {
    /// The worker.
    pub worker: WorkerId,
    /// What the backend calls it: the number of a process, the id of a container, the name of a service.
    pub id: Option<String>,
    /// How it stands.
    pub state: MachineState,
    /// When it was created, by the backend's clock.
    pub created_at: Option<Timestamp>,
}

impl Machine {
    /// A machine of which nothing else is known.
    #[must_use]
    pub const fn new(worker: WorkerId, state: MachineState) -> Self {
        Self { worker, id: None, state, created_at: None }
    }

    /// Says what the backend calls it.
    #[must_use]
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Says when it was created.
    #[must_use]
    pub fn created_at(self, at: Timestamp) -> Self {
        Self { created_at: Some(at), ..self }
    }
}

/// How a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MachineState {
    /// It is being made, or waits for room.
    Starting,
    /// It runs.
    Running,
    /// It ends by itself, whatever happens, and need not be destroyed.
    Stopping,
    /// It has ended, and something of it is left to be destroyed.
    Stopped,
    /// The backend does not know.
    Unknown,
}

/// What every worker is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerSpec {
    /// The store that it will obey.
    pub store: StoreId,
    /// How many executions it runs at a time.
    pub slots: u32,
    /// Which kind of worker it is; one of [`Provisioner::capabilities`].
    pub isolation: Isolation,
}

impl WorkerSpec {
    /// A worker of a store, with so many slots, that runs executions beside each other.
    #[must_use]
    pub const fn new(store: StoreId, slots: u32) -> Self {
        Self { store, slots, isolation: Isolation::Worker }
    }

    /// Says which kind of worker it is.
    #[must_use]
    pub const fn isolation(self, isolation: Isolation) -> Self {
        Self { isolation, ..self }
    }
}

/// Why a worker could not be created, destroyed or listed: a sentence that a person can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ProvisionError {
    /// The sentence.
    pub message: String,
    /// What is in the way, as far as the backend knows.
    pub kind: ProvisionErrorKind,
    /// Trying again without a change by a person leads to the same.
    pub permanent: bool,
}

/// What is in the way of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ProvisionErrorKind {
    /// There is no room for it, where workers are made.
    Capacity,
    /// It would be more than the account may have.
    Quota,
    /// Too much was asked for at a time.
    Throttled,
    /// What was asked for cannot be made: an image that does not fit, a setting that is refused.
    Invalid,
    /// Whoever asks may not, or is not known.
    Credentials,
    /// Nothing answers.
    Unreachable,
    /// The backend does not know, or has no word for it.
    #[default]
    Other,
}

impl ProvisionErrorKind {
    /// A word for programs, which stays the same.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Capacity => "capacity",
            Self::Quota => "quota",
            Self::Throttled => "throttled",
            Self::Invalid => "invalid",
            Self::Credentials => "credentials",
            Self::Unreachable => "unreachable",
            Self::Other => "other",
        }
    }
}

impl ProvisionError {
    /// Something that may pass by itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: ProvisionErrorKind::Other, permanent: false }
    }

    /// Something that will not pass by itself.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: ProvisionErrorKind::Other, permanent: true }
    }

    /// Says what is in the way.
    #[must_use]
    pub fn of_kind(self, kind: ProvisionErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// Says whether trying again without a change by a person leads to the same.
    #[must_use]
    pub fn that_lasts(self, lasting: bool) -> Self {
        Self { permanent: lasting, ..self }
    }
}

/// Where a backend hands in connected workers, and news of dead ones. The engine has one; a test of a backend its own.
#[async_trait]
pub trait WorkerGateway: Debug + Send + Sync + 'static {
    /// Serves a worker's link until it ends; returns at once.
    fn accept(&self, transport: Transport, admission: Admission);

    /// Tells how far the making of a worker has come, as a sentence, while that takes long.
    async fn report_progress(&self, worker: WorkerId, note: String);

    /// Tells that a worker is known to be dead, with the reason as a sentence: its work is given out again at once.
    async fn report_lost(&self, worker: WorkerId, reason: String);
}

/// Who may come in over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Only workers that this store created, on this machine: they may write long output into the store's files themselves.
    Known,
    /// Only that worker: this is its own way in.
    Only(WorkerId),
    /// Workers that dial in by themselves, and none that was created: whoever is here has shown the token that they share.
    /// One comes back as the process that it was.
    Anyone,
}

/// A provisioner and the way its workers reach the engine. Started once by [`crate::PodBuilder::start`].
#[async_trait]
pub trait Backend: Debug + Send + 'static {
    /// Starts listening for workers where they need it, and gives the provisioner.
    /// `links` takes connected workers and news of dead ones.
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError>;
}

/// What a backend gets to know when it starts.
#[derive(Clone, Debug)]
pub struct BackendContext {
    /// The store's identity.
    pub store: StoreId,
    /// The workers of this store that were made and have not ended, as far as the store knows.
    pub workers: Arc<[OpenWorker]>,
    /// Where connected workers are handed in.
    pub links: Arc<dyn WorkerGateway>,
    /// Cancelled when the engine has ended: listeners end, workers stay. Those that end with this process have left
    /// before, where the engine came to its end as it should; what is still there is to end at once.
    pub shutdown: tokio_util::sync::CancellationToken,
}

impl BackendContext {
    /// The workers that hold open attempts.
    pub fn busy(&self) -> impl Iterator<Item = WorkerId> {
        self.workers.iter().filter(|worker| worker.busy).map(|worker| worker.id)
    }

    /// Whether a worker holds open attempts.
    #[must_use]
    pub fn is_busy(&self, worker: WorkerId) -> bool {
        self.busy().any(|busy| busy == worker)
    }
}

/// A worker that was made by a backend, this one or another, and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenWorker {
    /// The worker.
    pub id: WorkerId,
    /// The [name](Provisioner::name) of the backend that made it; none where that was not written down yet.
    pub backend: Option<Arc<str>>,
    /// It holds open attempts.
    pub busy: bool,
}

impl OpenWorker {
    /// One that nobody has written a backend down for, and that holds nothing.
    #[must_use]
    pub const fn new(id: WorkerId) -> Self {
        Self { id, backend: None, busy: false }
    }
}

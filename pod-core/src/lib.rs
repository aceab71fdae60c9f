//! POD, Processing On Demand: *your code, run on demand, on machines that come and go.*
//!
//! This crate is the library that everything else is made of, and that applications embed:
//!
//! | module | what it holds |
//! |---|---|
//! | [`archive`] | what may be in the archive of an activity's directory |
//! | [`domain`] | activities, executions, attempts, workers, policies, and their transition tables |
//! | [`api`] | what callers say and hear: requests, replies, views, errors |
//! | [`plan`] | the pure planner: `step` and `plan`, no IO, no clock, no randomness |
//! | [`scheduler`] | the trait that places executions and sizes the fleet, and its default |
//! | [`store`] | the trait of durable storage, and the in-memory reference |
//! | [`executor`] | the trait that installs activities and runs executions on a worker |
//! | [`provisioner`] | the trait that creates and destroys workers |
//! | [`fetcher`] | the trait that fetches installation scripts |
//! | [`link`] | what manager and workers say to each other, and how it is framed |
//! | [`observe`] | what an embedder may count |
//! | [`worker`] | the worker: drives an executor, spools output, survives its manager |
//! | [`manager`] | the manager as a machine without IO: rounds, commits, reads, links |
//! | `engine` | the tokio shell around it |
//! | [`Pod`] | the handle for embedders |
//!
//! It knows nothing of HTTP servers, SQL or container engines.

pub mod api;
pub mod archive;
pub mod domain;
mod engine;
pub mod executor;
pub mod fetcher;
pub mod link;
pub mod manager;
pub mod observe;
pub mod plan;
pub mod provisioner;
pub mod scheduler;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod worker;

mod pod;

/// What ends long work from outside; of `tokio-util`.
pub use tokio_util::sync::CancellationToken;

pub use api::{
    ActivityView, Amount, Bound, Explanation, FleetCount, FleetPreview, InvalidLimit, Limits, NoWorker, Overview,
    PodError, StatusReason, Submitted, WorkerView,
};
pub use fetcher::{FetchScript, FetchedScript};
pub use pod::{
    Asked, Builder, EventGap, MAX_BATCH, ManyAct, OutputChunk, OutputFollower, OutputPosition, Pod, Portion,
};

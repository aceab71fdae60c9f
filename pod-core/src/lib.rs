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
//! It knows nothing of HTTP servers, SQL or container engines. The crate `pod-backends` has a store in SQLite, and workers
//! as tasks and processes of this machine, as containers, and as tasks of a Docker Swarm.
//!
//! # A POD in a program
//!
//! A [`Store`](store::Store) and a [`Backend`](provisioner::Backend) make a [`Pod`]. Here they are those for tests, of
//! the feature `testing`, whose executions are calls of a function; with `SqliteStore::open("./pod-data").await?` and
//! `InProcessWorkers::new("./pod-data")` of `pod-backends` the same program runs scripts, and survives being killed.
//!
//! ```
//! use pod_core::{
//!     OutputChunk, Pod, PodError,
//!     domain::{ExecutionStatus, NewActivity, NewExecution},
//!     store::MemoryStore,
//!     testing::in_process::InProcess,
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), PodError> {
//!     let greets = |call: pod_core::testing::in_process::Call| async move {
//!         call.print(format!("Hello, {}\n", call.input.as_deref().unwrap_or("world"))).await;
//!         0
//!     };
//!     let pod = Pod::builder().store(MemoryStore::new()).backend(InProcess::new(greets)).start().await?;
//!
//!     // What runs is registered once, and is there at the next start. The same again changes nothing.
//!     pod.put_activity(NewActivity::script("hello", "echo 'echo \"Hello, $1\"' > main.sh")).await?;
//!
//!     // Durable when it returns. A key makes it safe to send again, whatever became of the first answer.
//!     let order = || NewExecution::new("hello").input("Ada").idempotency_key("order-4711");
//!     let run = pod.start(order()).await?;
//!     assert_eq!(pod.start(order()).await?, run);
//!
//!     // What it prints, while it prints it, through all attempts that it takes.
//!     let mut output = pod.follow(run).await?;
//!     let mut text = Vec::new();
//!     while let Some(chunk) = output.next().await? {
//!         if let OutputChunk::Bytes { bytes, .. } = chunk {
//!             text.extend_from_slice(&bytes);
//!         }
//!     }
//!     assert_eq!(text, b"Hello, Ada\n");
//!     assert_eq!(pod.wait(run).await?.status, ExecutionStatus::Finished);
//!
//!     // Nothing new begins; what runs may end for a while, and what has not by then runs again at the next start.
//!     pod.shutdown_within(std::time::Duration::from_secs(30)).await;
//!     Ok(())
//! }
//! ```
//!
//! # Parts of your own
//!
//! Each part is a trait with a conformance suite, which the feature `testing` brings: a [`Store`](store::Store), a
//! [`Scheduler`](scheduler::Scheduler), an [`Executor`](executor::Executor), and a
//! [`Provisioner`](provisioner::Provisioner) with its [`Backend`](provisioner::Backend). `docs/writing-a-backend.md` in the
//! sources says what the engine asks of them and when.
//!
//! [`plan`], [`manager`], [`worker::state`] and the simulator are open to benchmarks and to the simulator, and promise nothing
//! to others: they change in any version.
//!
//! # Dropping futures
//!
//! A request that changes something is carried out or not when its future is dropped, and never half: send it under a
//! key to find out. What only reads may be dropped at any time; each method that waits says so.

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
    PodError, PodErrorKind, StatusReason, Submitted, WorkerView,
};
pub use fetcher::{FetchedScript, ScriptFetcher};
pub use pod::{
    BulkAction, BulkOutcome, BulkRequest, EventGap, InvalidPosition, MAX_BATCH, OutputChunk, OutputFollower,
    OutputPosition, Pod, PodBuilder,
};

//! The backends of POD: stores, executors and provisioners, and what fetches scripts. One cargo feature each.
//!
//! Each technology has a module, which holds all that is made of it:
//!
//! | module | feature | what it is |
//! |---|---|---|
//! | `sqlite` | `sqlite` | a store |
//! | `process` | `local` | an executor: executions as processes of the worker's machine |
//! | `local` | `local` | provisioners: workers in this process, or as processes of this machine |
//! | `docker` | `docker` | workers as containers, and an executor that gives each execution a container |
//! | `swarm` | `docker` | workers as tasks of a Docker Swarm |
//! | `fetch` | `fetch` | installation scripts over HTTP |
//!
//! What several of them share:
//!
//! | module | what it is |
//! |---|---|
//! | `data_dir` | the directory of a manager: who holds it, and its workers' directories |
//! | `gateway` | whom the manager lets in over the network, by join tokens |
//! | `other_backends` | workers of a data directory that the backend which starts does not reach |
//! | `worker_locks` | one thing at a time is done to each worker |
//! | `failure` | errors of the system as sentences |
//! | `private`, `inherited`, `open_files` | files that nobody else may read, file descriptors, and how many there may be |
//!
//! An application that embeds POD chooses where records are kept and where executions run:
//!
#![cfg_attr(all(feature = "local", target_os = "linux"), doc = "```")]
#![cfg_attr(not(all(feature = "local", target_os = "linux")), doc = "```ignore")]
//! use pod_backends::local::InProcessWorkers;
//! use pod_core::{
//!     OutputChunk, Pod,
//!     domain::{ExecutionStatus, NewActivity, NewExecution},
//!     store::MemoryStore,
//! };
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let pod = Pod::builder().store(MemoryStore::new()).backend(InProcessWorkers::new(dir).slots(4)).start().await?;
//! let script = "printf 'echo \"a thumbnail of $1\"' > main.sh";
//! pod.create_activity(NewActivity::script("thumbs", script)).await?;
//! let run = pod.start(NewExecution::new("thumbs").input("cat.png")).await?;
//!
//! let mut output = pod.follow(run).await?;
//! let mut text = Vec::new();
//! while let Some(chunk) = output.next().await? {
//!     if let OutputChunk::Bytes { bytes, .. } = chunk {
//!         text.extend_from_slice(&bytes);
//!     }
//! }
//! assert_eq!(text, b"a thumbnail of cat.png\n");
//!
//! let done = pod.wait(run).await?;
//! assert_eq!(done.status, ExecutionStatus::Finished);
//! pod.shutdown().await;
//! # Ok(())
//! # }
//! ```

#[cfg(all(feature = "local", target_os = "linux"))]
pub mod data_dir;
#[cfg(all(feature = "docker", target_os = "linux"))]
pub mod docker;
#[cfg(all(feature = "local", target_os = "linux"))]
mod failure;
#[cfg(feature = "fetch")]
pub mod fetch;
#[cfg(feature = "local")]
pub mod inherited;
#[cfg(all(feature = "docker", target_os = "linux"))]
pub mod join_gateway;
#[cfg(all(feature = "local", target_os = "linux"))]
pub mod local;
#[cfg(feature = "local")]
pub mod open_files;
#[cfg(all(feature = "docker", target_os = "linux"))]
mod other_backends;
pub mod private;
#[cfg(all(feature = "local", target_os = "linux"))]
pub mod process;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(all(feature = "docker", target_os = "linux"))]
pub mod swarm;
#[cfg(all(feature = "local", target_os = "linux"))]
mod worker_locks;

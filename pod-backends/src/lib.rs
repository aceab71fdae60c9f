//! The backends of POD: stores, executors and provisioners, and what fetches scripts. One cargo feature each.
//!
//! An application that embeds POD chooses where records are kept and where executions run:
//!
#![cfg_attr(all(feature = "local", target_os = "linux"), doc = "```")]
#![cfg_attr(not(all(feature = "local", target_os = "linux")), doc = "```ignore")]
//! use pod_backends::provisioner::local::Local;
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
//! let pod = Pod::builder().store(MemoryStore::new()).backend(Local::new(dir).slots(4)).start().await?;
//! let script = "printf 'echo \"a thumbnail of $1\"' > main.sh";
//! pod.create_activity(NewActivity::script("thumbs", script)).await?;
//! let run = pod.start(NewExecution::of("thumbs").input("cat.png")).await?;
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

pub mod executor;
#[cfg(feature = "fetch")]
pub mod fetch;
#[cfg(feature = "local")]
pub mod inherited;
#[cfg(feature = "local")]
pub mod open_files;
pub mod private;
pub mod provisioner;
#[cfg(feature = "sqlite")]
pub mod store;

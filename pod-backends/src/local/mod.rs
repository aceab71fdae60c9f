//! Workers on this machine.
//!
//! | type | where its workers live |
//! |---|---|
//! | [`Local`] | in this process: for applications that embed POD, and for a single run |
//! | [`WorkerProcesses`] | in processes of their own, which outlive their manager |
//!
//! Both keep everything in a data directory:
//!
//! ```text
//! manager.lock           locked by the manager: its process id and address
//! workers.lock           locked by whoever keeps workers in this directory
//! link.sock              where worker processes dial
//! workers/12/            all of worker 12: installations, and what runs
//! workers/12/worker.json whose it is, and how many slots it has
//! workers/12/worker.lock locked by the process of worker 12, and holds its process id
//! workers/12/worker.link the oldest version of the link that it speaks
//! workers/12/worker.log  what that process logs
//! ```
//!
//! A worker that was there when its manager ended is taken on again by the next one, with what is installed in it;
//! one of another store is ended and deleted.

mod in_process;
#[cfg(feature = "docker")]
pub(crate) mod left_behind;
pub(crate) mod process;
pub(crate) mod processes;
pub(crate) mod socket;
pub(crate) mod worker;

pub use self::{
    in_process::InProcessWorkers,
    processes::{WorkerProcesses, end_worker_processes},
    worker::run_local_worker,
};

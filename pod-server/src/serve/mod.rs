//! `pod serve`: starts a manager, listens, shuts down.

pub(crate) mod app;
mod connection;
mod error;
mod holder;
pub(crate) mod links;
mod listen;
mod log_file;
mod logs;
mod parts;
pub(crate) mod paths;
pub(crate) mod room;
mod router;
mod start;

pub use app::App;
pub use error::StartError;
pub use links::{LinkSlot, WithWorkerLink};
pub use log_file::install as install_log;
pub use logs::{ManagerLogs, ShownLog};
pub use parts::WorkerHome;
pub use router::router;
pub use start::{Manager, NEEDS_TOKEN, Parts, Running, Unheard, embed, start};

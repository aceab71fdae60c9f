//! `pod serve`: starts a manager, listens, shuts down.

pub(crate) mod app;
mod components;
mod connection;
pub(crate) mod connection_limit;
mod error;
mod holder;
pub(crate) mod links;
mod listen;
mod log_file;
mod logs;
pub(crate) mod paths;
mod router;
mod start;

pub use app::App;
pub use components::WorkerPlacement;
pub use error::StartError;
pub use links::{LinkSlot, WithWorkerLink};
pub use log_file::install as install_log;
pub use logs::{LogView, ManagerLogs};
pub use router::router;
pub use start::{ClosedListener, Components, Manager, NEEDS_TOKEN, RunningManager, embed, start};

//! `pod serve`: starts a manager, listens, shuts down.

mod app;
mod links;
mod log_file;
mod logs;
mod router;

pub use app::App;
pub use links::{LinkSlot, WithWorkerLink};
pub use log_file::install as install_log;
pub use logs::{ManagerLogs, ShownLog};
pub use router::router;

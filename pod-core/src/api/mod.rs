//! What callers say and hear: requests with their terms, replies, views, errors.
//!
//! Plain data. Whoever answers is above it: the planner decides, the engine performs, [`Pod`](crate::Pod) asks.

mod error;
mod explanation;
mod limits;
mod request;
mod terms;
mod views;

pub(crate) use error::gone;
pub use error::{PodError, PodErrorKind};
pub use explanation::{Explanation, NoWorker, StatusReason};
pub use limits::{Amount, Bound, InvalidLimit, Limits};
pub use request::{Put, Registration, Reply, Request, TerminationMode};
pub use terms::{Expected, Terms};
pub use views::{ActivityView, FleetCount, FleetPreview, LaunchFailure, Overview, Submitted, WorkerView};

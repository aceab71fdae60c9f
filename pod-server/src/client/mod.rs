//! A small typed client of a manager: `/api/v1` for everything newer, and the action API for the original commands.
//!
//! It sends each request once, unless it is [`Client::patient`]: then a request is sent again until the manager answers,
//! or the time is up. What changes something carries an idempotency key for that, or is sent again only where it is
//! known that the manager has not heard it.

mod address;
mod api;
mod error;
mod http;
mod model;
mod output;
mod output_events;
mod resolve;
mod retry;

pub use address::{Address, InvalidAddress};
pub use api::ExecutionFilter;
pub use error::ClientError;
pub use http::Client;
pub use model::{
    Activity, BatchIds, BulkOutcome, Execution, Explanation, FailedInstallation, Fleet, Installation, Overview, Page,
    Policy, Revision, Status, StatusCounts, Worker,
};
pub use output::{Gap, OutputBytes, OutputRequest};
pub use output_events::{OutputEvent, OutputEvents, OutputEventsRequest};
pub use retry::{ConnectionObserver, RetryState};

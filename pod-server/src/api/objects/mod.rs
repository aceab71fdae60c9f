//! The objects of `/api/v1`: camelCase members, RFC 3339 times, integer ids; what is absent is left out.

mod activity;
mod event;
mod execution;
pub(crate) mod overview;
mod policy;
mod reason;
mod revision;
mod worker;

pub(crate) use activity::{ActivityObject, InstallationObject};
pub(crate) use event::EventObject;
pub(crate) use execution::{ExecutionObject, ExplanationObject};
pub(crate) use overview::OverviewObject;
pub(crate) use policy::{DecisionObject, PolicyObject};
pub(crate) use reason::ReasonObject;
pub(crate) use revision::RevisionObject;
pub(crate) use worker::WorkerObject;

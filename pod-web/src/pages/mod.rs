//! A file per page.

pub(crate) mod activities;
pub(crate) mod activity;
pub(crate) mod archive;
pub(crate) mod ask;
pub(crate) mod chart;
pub(crate) mod confirm;
pub(crate) mod conflict;
pub(crate) mod events;
pub(crate) mod execution;
pub(crate) mod executions;
pub(crate) mod help;
pub(crate) mod index;
pub(crate) mod overview;
pub(crate) mod policies;
pub(crate) mod revision;
pub(crate) mod script_diff;
pub(crate) mod sign_in;
pub(crate) mod stream;
pub(crate) mod theme;
pub(crate) mod workers;

//! The HTTP side of POD: the manager that `pod serve` runs, and everything it answers to.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the settings of `pod serve` |
//! | [`serve`] | starts a manager, listens, shuts down |
//! | [`guard`] | what every request passes first: host names, other sites' pages, tokens |
//! | [`auth`] | tokens and the browser's cookie |
//! | [`action`] | the action API, POD's public contract since its first version |
//! | [`api`] | `/api/v1` |
//! | [`client`] | a client of all that |
//! | [`peer`] | whose a connection is |
//! | `metrics` | what `/metrics` answers |
//! | [`probes`] | `/healthz`, `/readyz`, `/metrics` |
//! | [`worker_link`] | workers that dial in over HTTP, both ends |

pub mod action;
pub mod api;
pub mod auth;
pub mod client;
pub mod config;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
pub mod guard;
mod metrics;
pub mod peer;
pub mod probes;
pub mod serve;
pub mod worker_link;

//! The HTTP side of POD: the manager that `pod serve` runs, and everything it answers to.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the settings of `pod serve` |
//! | [`serve`] | starts a manager, listens, shuts down |
//! | [`guard`] | checks every request first: host names, pages of other sites, tokens |
//! | [`auth`] | tokens and the browser's cookie |
//! | [`action`] | the action API, POD's public contract since its first version |
//! | [`api`] | `/api/v1` |
//! | [`client`] | a client of all that |
//! | [`peer`] | the user at the other end of a connection |
//! | `metrics` | the metrics of `/metrics` |
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

//! The dashboard of POD, rendered on the server.
//!
//! Every page is complete and every action works without a script: forms are posted, answered with a redirect, and the
//! next page shows what happened. One small script keeps the page up to date. Nothing here decides anything: pages ask
//! [`pod_core::Pod`], as the HTTP APIs do.
//!
//! | module | what it holds |
//! |---|---|
//! | [`web`](Web) | the state that all pages share |
//! | [`router`](router()) | the routes |
//! | `layout` | the frame around every page: navigation, message, theme |
//! | [`origin`] | whether a page of another site made a request |
//! | `form` | form data, checked to come from a page of this manager |
//! | `flash` | the message that the next page shows |
//! | `failure` | error pages |
//! | `cookies` | how cookies are read and set |
//! | `sentence` | errors as sentences |
//! | `bulk_jobs` | background jobs for bulk actions on executions |
//! | `live` | notifies open pages of changes |
//! | `format` | times, durations, sizes and states, the same everywhere |
//! | `output` | what programs print, as rows of a page |
//! | [`BasePath`] | the prefix that a proxy puts before every path |
//! | `assets` | style, script and symbols, compiled in |
//! | `pages` | a file per page |

mod assets;
mod base_path;
mod bulk_jobs;
mod cookies;
mod failure;
mod flash;
mod form;
mod format;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod layout;
mod live;
pub mod origin;
mod output;
mod pages;
mod router;
mod sentence;
mod web;

pub use assets::DIRECTORY as ASSETS;
pub use base_path::BasePath;
pub use cookies::{cookie, set_cookie};
pub use flash::see_other;
pub use layout::POLICY;
pub use pages::{
    ask::{Question, ask},
    index::index,
    sign_in::{SignInState, refused, sign_in},
};
pub use router::router;
pub use web::{Web, digits};

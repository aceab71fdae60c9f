//! The dashboard of POD, rendered on the server.
//!
//! Every page is complete and every action works without a script: forms are posted, answered with a redirect, and the
//! next page tells what happened. One small script keeps the page up to date. Nothing here decides anything: pages ask
//! [`pod_core::Pod`], as the HTTP APIs do.
//!
//! | module | what it holds |
//! |---|---|
//! | [`web`](Web) | what the pages have at hand |
//! | [`router`](router()) | which path leads where |
//! | `layout` | the frame around every page: navigation, message, theme |
//! | [`origin`] | whether a page of another site made a request |
//! | `form` | what a form sent, checked to come from a page of this manager |
//! | `flash` | the message that the next page shows |
//! | `failure` | what went wrong, as a page |
//! | `cookies` | how cookies are read and set |
//! | `sentence` | errors as sentences |
//! | `jobs` | what is done to many executions at once |
//! | `live` | what tells open pages that something changed |
//! | `format` | times, durations, sizes and states, the same everywhere |
//! | `output` | what programs print, as rows of a page |
//! | [`BasePath`] | what a proxy puts before every path |
//! | `assets` | style, script and symbols, compiled in |
//! | `pages` | a file per page |

mod assets;
mod base_path;
mod cookies;
mod failure;
mod flash;
mod form;
mod format;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod jobs;
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
    front::front,
    sign_in::{Standing, refused, sign_in},
};
pub use router::router;
pub use web::{Web, digits};

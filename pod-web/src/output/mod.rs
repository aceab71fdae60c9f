//! Renders output as rows of a page: both streams line by line, colours as classes, other terminal sequences resolved or
//! left out. The page and its live updates both use it, so that output becomes HTML in one place only.
//!
//! | module | what it holds |
//! |---|---|
//! | `style` | colours and weights, as a terminal's escape sequences set them |
//! | `line` | one line, as a terminal would show it |
//! | `place` | a place in the output: where one goes on |
//! | `rows` | pieces of both streams become rows with numbers |
//! | `index` | which line lies where, without reading everything again |
//! | `part` | parts of the output as rows |
//! | `search` | looking for text in the whole output |

mod index;
mod line;
mod part;
mod place;
mod rows;
mod search;
mod style;

pub(crate) use index::{Indexes, OutputSelection};
pub(crate) use part::{Part, RenderOptions, last, numbered, with_line};
pub(crate) use place::{Place, View};
pub(crate) use rows::Rows;
pub(crate) use search::{MAX_MATCHES, SearchMatch, search};

//! A file per page.

pub(crate) mod front;
pub(crate) mod overview;
pub(crate) mod sign_in;
pub(crate) mod theme;

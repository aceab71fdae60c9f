//! The confirmation page before something is ended or deleted. It names the thing and the consequence.

use askama::Template;
use axum::response::Response;

use crate::{format::filters, layout::Frame};

/// A question with one way on and one back.
#[derive(Debug, Template)]
#[template(path = "confirm.html")]
pub(crate) struct Confirm<'a> {
    pub(crate) frame: &'a Frame,
    /// What would be done.
    pub(crate) title: String,
    /// What follows from it.
    pub(crate) sentences: Vec<String>,
    /// Where the form is sent.
    pub(crate) action: String,
    /// What it carries along.
    pub(crate) fields: Vec<(String, String)>,
    /// The word on the button.
    pub(crate) verb: &'a str,
    /// Where one goes back to.
    pub(crate) back: String,
}

impl Confirm<'_> {
    /// Whether it takes nothing away.
    fn is_primary(&self) -> bool {
        matches!(self.verb, "Apply" | "Run again" | "Go on")
    }

    /// The page.
    pub(crate) fn ask(&self) -> Response {
        self.frame.page(self)
    }
}

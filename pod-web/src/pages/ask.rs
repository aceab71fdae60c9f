//! The confirmation page for actions in an address: a link can lead here, and only a person can go on.

use axum::{
    http::{HeaderMap, Uri},
    response::Response,
};

use super::confirm::Confirm;
use crate::{layout::Frame, web::Web};

/// What would be done, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What would be done, as a question.
    pub title: String,
    /// What follows from it.
    pub sentences: Vec<String>,
    /// Where the answer is sent.
    pub action: String,
    /// What it carries along, beside the token of the form.
    pub fields: Vec<(String, String)>,
    /// The word on the button.
    pub verb: &'static str,
}

/// A page that says what would be done, and asks.
#[must_use]
pub fn ask(web: &Web, uri: &Uri, headers: &HeaderMap, question: Question) -> Response {
    let frame = Frame::of(uri.path(), None, headers, web);
    let Question { title, sentences, action, fields, verb } = question;
    Confirm { frame: &frame, title, sentences, action, fields, verb, back: "/overview".to_owned() }.ask()
}

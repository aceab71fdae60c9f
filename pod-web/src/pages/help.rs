//! Help: keyboard shortcuts, what the states mean, and the same things on the command line.

use askama::Template;
use axum::response::Response;
use pod_core::domain::ExecutionStatus;

use crate::{format::filters, layout::Frame};

#[derive(Debug, Template)]
#[template(path = "help.html")]
struct HelpPage<'a> {
    frame: &'a Frame,
    states: [(ExecutionStatus, &'static str); 6],
}

/// `GET /help`.
pub(crate) async fn show(frame: Frame) -> Response {
    use ExecutionStatus::{Failed, Finished, Running, Terminated, TimedOut, Waiting};
    let states = [
        (Waiting, "Accepted and safe; it runs when a slot of a worker with its activity is free."),
        (Running, "A worker runs it. Its output arrives as it is printed."),
        (Finished, "Its program ended with exit code 0."),
        (Failed, "Its program ended with another exit code or a signal, or POD could not run it."),
        (Terminated, "Someone asked for its end."),
        (TimedOut, "It ran longer than its activity allows."),
    ];
    frame.page(&HelpPage { frame: &frame, states })
}

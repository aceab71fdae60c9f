//! Workers that dial in over HTTP: a WebSocket whose binary messages are frames.
//!
//! [`accept`] is the manager's end, [`dial`](dial()) the worker's.

use std::sync::Arc;

use axum::{
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    response::Response,
};
use pod_core::{engine::Admission, link::MAX_FRAME};

use crate::{
    api::problem::{Problem, ProblemKind},
    serve::App,
};

mod dial;
mod frames;
mod websocket_dial;

pub use dial::{DialError, dial, link_url};
pub use websocket_dial::WebSocketDial;

/// Where workers dial in.
pub const PATH: &str = "/api/v1/worker-link";

/// Takes a worker in. The token was checked before: see [`crate::guard`].
pub(crate) async fn accept(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|_| {
        Problem::invalid("This is where workers dial in by WebSocket; start one with: pod worker --manager URL")
    })?;
    let links = match app.links.get() {
        Some(links) if !app.shutdown.is_cancelled() => links.clone(),
        _ => return Err(Problem::new(ProblemKind::Stopping, "The manager takes no workers at the moment")),
    };
    let upgrade = upgrade.max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME);
    Ok(upgrade.on_upgrade(async move |socket| {
        links.connect(frames::over_websocket(socket, "a worker that dialled in".to_owned()), Admission::Anyone);
    }))
}

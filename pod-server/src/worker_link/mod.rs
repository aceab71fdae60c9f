//! Workers that dial in over HTTP: a WebSocket whose binary messages are frames.
//!
//! [`routes`] is the manager's end, [`dial`](dial()) the worker's. The tasks of a swarm come here twice before that: for
//! the program that they are to run.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use pod_backends::join_gateway::JoinGateway;
use pod_core::{domain::WorkerId, provisioner::Admission};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_util::sync::CancellationToken;

use crate::{
    api::problem::{Problem, ProblemKind},
    auth::bearer,
    serve::links::LinkSlot,
};

pub(crate) mod dial;
mod frames;
mod websocket_dialer;

pub use dial::{DialError, PATH, dial, link_url};
pub use websocket_dialer::WebSocketDialer;

/// What the worker link needs of a manager.
#[derive(Clone, Debug)]
pub struct WorkerLink {
    /// Where workers are handed to.
    pub links: LinkSlot,
    /// Which workers in containers are let in, where such dial over the network.
    pub gateway: Option<JoinGateway>,
    /// Cancelled when the manager goes.
    pub shutdown: CancellationToken,
}

/// Everything that workers ask for. A token that is not a join token was checked before: see [`crate::guard`].
pub fn routes(link: WorkerLink) -> Router {
    Router::new()
        .route(PATH, get(accept))
        .route(&format!("{PATH}/starter"), get(starter))
        .route(&format!("{PATH}/program"), get(program))
        .with_state(link)
}

impl WorkerLink {
    /// The worker whose join token a request shows. The token of a destroyed worker is refused permanently.
    pub(crate) fn worker(&self, headers: &HeaderMap) -> Result<Option<WorkerId>, Problem> {
        let Some((gateway, token)) = self.gateway.as_ref().zip(bearer(headers)) else { return Ok(None) };
        if gateway.is_of_the_destroyed(token) {
            let detail = "The worker that this join token is of was destroyed; it is to end";
            return Err(Problem::new(ProblemKind::WorkerGone, detail));
        }
        Ok(gateway.worker(token))
    }
}

/// Takes a worker in.
async fn accept(State(link): State<WorkerLink>, mut request: Request) -> Result<Response, Problem> {
    let upgrade = create_response_with_body(&request, Body::empty).map_err(|_| {
        Problem::invalid("This is where workers dial in by WebSocket; start one with: pod worker --manager URL")
    })?;
    let links = match link.links.get() {
        Some(links) if !link.shutdown.is_cancelled() => links.clone(),
        _ => return Err(Problem::new(ProblemKind::Stopping, "The manager takes no workers at the moment")),
    };
    let (admission, peer) = match link.worker(request.headers())? {
        Some(worker) => (Admission::Only(worker), format!("worker {worker}, by its join token")),
        None => (Admission::Anyone, "a worker that dialled in".to_owned()),
    };
    let upgrading = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgrading.await {
            Ok(upgraded) => links.accept(frames::accepted(TokioIo::new(upgraded), peer).await, admission),
            Err(error) => tracing::debug!(%peer, %error, "a connection did not become a link"),
        }
    });
    Ok(upgrade)
}

/// The program that unpacks the other one.
async fn starter(State(link): State<WorkerLink>, headers: HeaderMap) -> Result<Bytes, Problem> {
    let worker = link.worker(&headers)?.ok_or_else(not_a_task)?;
    tracing::debug!(%worker, "its task has started");
    link.gateway.map(|gateway| gateway.starter()).ok_or_else(not_a_task)
}

/// The archive of what a task is to run.
async fn program(State(link): State<WorkerLink>, headers: HeaderMap) -> Result<Response, Problem> {
    link.worker(&headers)?;
    let gateway = link.gateway.ok_or_else(not_a_task)?;
    let archive = bearer(&headers).and_then(|token| gateway.program(token)).ok_or_else(not_a_task)?;
    let pieces = futures::stream::iter(archive.map(Ok::<_, std::convert::Infallible>));
    Ok(Body::from_stream(pieces).into_response())
}

fn not_a_task() -> Problem {
    Problem::new(ProblemKind::TokenNeeded, "That is not the join token of a task of this manager")
}

//! The worker's end: connects to a manager over HTTP.

use std::time::Duration;

use pod_core::link::Transport;
use tokio_tungstenite::tungstenite::{
    self,
    client::IntoClientRequest,
    http::{HeaderValue, StatusCode, header},
};

use super::frames::{dialled, limits};
use crate::{api::problem::ProblemKind, config::secret::Secret};

/// Where workers dial in.
pub const PATH: &str = "/api/v1/worker-link";
/// How long connecting may take, the upgrade included.
const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a manager could not be dialled, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Something that will not pass by itself: the address or the token is wrong.
    #[error("{0}")]
    Hopeless(String),
    /// The manager knows this worker, and has given its work to others.
    #[error("{0}")]
    Gone(String),
    /// Something that may pass: dial again later.
    #[error("{0}")]
    Later(String),
}

/// The address of a manager's worker link, from what a person writes: with or without `http://`, with or without a path.
pub fn link_url(manager: &str) -> Result<url::Url, DialError> {
    let malformed = |why: String| {
        DialError::Hopeless(format!(
            "{manager:?} is not the address of a manager ({why}); write for example http://127.0.0.1:8080"
        ))
    };
    let with_scheme = if manager.contains("://") { manager.to_owned() } else { format!("http://{manager}") };
    let parsed = url::Url::parse(&with_scheme).map_err(|error| malformed(error.to_string()))?;
    let scheme = match parsed.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        other => return Err(malformed(format!("the scheme {other} is not http or https"))),
    };
    let host = parsed.host_str().ok_or_else(|| malformed("there is no host".to_owned()))?;
    let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
    url::Url::parse(&format!("{scheme}://{host}{port}{PATH}")).map_err(|error| malformed(error.to_string()))
}

/// Dials the manager once.
pub async fn dial(manager: &url::Url, token: Option<&Secret>) -> Result<Transport, DialError> {
    let mut request = manager.as_str().into_client_request().map_err(|error| DialError::Hopeless(error.to_string()))?;
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| DialError::Hopeless("the worker's token holds characters that no token has".to_owned()))?;
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let connecting = tokio_tungstenite::connect_async_with_config(request, Some(limits()), true);
    match tokio::time::timeout(DIAL_TIMEOUT, connecting).await {
        Ok(Ok((socket, _))) => Ok(dialled(socket, manager.to_string())),
        Ok(Err(error)) => Err(refused(manager, &error)),
        Err(_) => Err(DialError::Later(format!("the manager at {manager} did not answer within 20 s"))),
    }
}

fn refused(manager: &url::Url, error: &tungstenite::Error) -> DialError {
    match error {
        tungstenite::Error::Http(answer) => match answer.status() {
            StatusCode::UNAUTHORIZED => DialError::Hopeless(format!(
                "the manager at {manager} did not accept the worker's token; set POD_WORKER_TOKEN to its token"
            )),
            StatusCode::CONFLICT => DialError::Gone(format!("the manager at {manager} has destroyed this worker")),
            StatusCode::FORBIDDEN if says(answer, ProblemKind::AnotherUser) => DialError::Hopeless(format!(
                "the manager at {manager} is that of another user and lets nobody else in; start it with POD_WORKER_TOKEN, \
                 and give this worker the same"
            )),
            StatusCode::FORBIDDEN => DialError::Hopeless(format!(
                "the manager at {manager} does not answer to that host name; start it with --allow-host"
            )),
            StatusCode::NOT_FOUND => {
                DialError::Hopeless(format!("there is no POD manager of this version at {manager}"))
            }
            status => DialError::Later(format!("the manager at {manager} answered with HTTP status {status}")),
        },
        tungstenite::Error::Url(error) => DialError::Hopeless(format!("{manager} cannot be dialled: {error}")),
        error => DialError::Later(format!("the manager at {manager} cannot be reached: {error}")),
    }
}

fn says(answer: &tungstenite::http::Response<Option<Vec<u8>>>, kind: ProblemKind) -> bool {
    let body = answer.body().as_deref().unwrap_or_default();
    String::from_utf8_lossy(body).contains(kind.uri())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_are_written_in_several_ways() {
        for (written, url) in [
            ("127.0.0.1:8080", "ws://127.0.0.1:8080/api/v1/worker-link"),
            ("http://localhost:8080", "ws://localhost:8080/api/v1/worker-link"),
            ("http://localhost:8080/POD/", "ws://localhost:8080/api/v1/worker-link"),
            ("https://pod.example", "wss://pod.example/api/v1/worker-link"),
            ("[::1]:80", "ws://[::1]/api/v1/worker-link"),
        ] {
            assert_eq!(link_url(written).unwrap().as_str(), url, "{written}");
        }
        for written in ["", "ftp://x", "http://", "http://host:port"] {
            assert!(matches!(link_url(written), Err(DialError::Hopeless(_))), "{written}");
        }
    }
}

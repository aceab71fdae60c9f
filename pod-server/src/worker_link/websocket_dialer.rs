//! The dialer of `pod worker --manager URL`, which connects again whenever the link breaks.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use pod_core::{
    link::Transport,
    worker::{self, Dialer},
};

use super::dial::{DialError, dial, link_url};
use crate::config::secret::Secret;

/// Dials a manager's worker link.
pub struct WebSocketDialer {
    url: url::Url,
    token: Option<Secret>,
    was_connected: AtomicBool,
}

impl fmt::Debug for WebSocketDialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketDialer").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl WebSocketDialer {
    /// Will dial that manager, with or without `http://`, and show it the token.
    pub fn new(manager: &str, token: Option<Secret>) -> Result<Self, DialError> {
        Ok(Self { url: link_url(manager)?, token, was_connected: AtomicBool::new(false) })
    }
}

#[async_trait]
impl Dialer for WebSocketDialer {
    async fn dial(&self) -> Result<Transport, worker::DialError> {
        match dial(&self.url, self.token.as_ref()).await {
            Ok(transport) => {
                self.was_connected.store(true, Ordering::Relaxed);
                Ok(transport)
            }
            // A manager that once took this worker may have been started with another token by mistake: what runs
            // here is not stopped for that. The first time, whoever started the worker is told at once.
            Err(DialError::Hopeless(reason)) if self.was_connected.load(Ordering::Relaxed) => {
                tracing::warn!(reason, "the manager refuses this worker");
                Err(worker::DialError::Later(reason))
            }
            // Somebody else does its work by now.
            Err(DialError::Hopeless(reason) | DialError::Gone(reason)) => Err(worker::DialError::Never(reason)),
            Err(DialError::Later(reason)) => Err(worker::DialError::Later(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// What a worker makes of an answer, that its manager has taken before or not.
    async fn outcome(status: &str, was_connected: bool) -> worker::DialError {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a worker dials");
            assert!(stream.read(&mut [0; 4096]).await.expect("a request") > 0);
            stream.write_all(answer.as_bytes()).await.expect("the worker listens");
        });
        let dial = WebSocketDialer::new(&address.to_string(), None).expect("an address");
        dial.was_connected.store(was_connected, Ordering::Relaxed);
        let refused = dial.dial().await.expect_err("it is no link");
        answering.await.expect("it has answered");
        refused
    }

    #[tokio::test]
    async fn a_worker_whose_work_others_do_does_not_run_on() {
        use worker::DialError::{Later, Never};
        assert!(matches!(outcome("409 Conflict", true).await, Never(_)));
        assert!(matches!(outcome("409 Conflict", false).await, Never(_)));
        assert!(matches!(outcome("401 Unauthorized", true).await, Later(_)), "by mistake, perhaps");
        assert!(matches!(outcome("401 Unauthorized", false).await, Never(_)));
        assert!(matches!(outcome("503 Service Unavailable", true).await, Later(_)));
    }
}

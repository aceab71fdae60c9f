//! How the worker of `pod worker --manager URL` reaches its manager, again and again.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use pod_core::{
    link::Transport,
    worker::{self, Dial},
};

use super::dial::{DialError, dial, link_url};
use crate::config::Secret;

/// Dials a manager's worker link.
pub struct WebSocketDial {
    url: url::Url,
    token: Option<Secret>,
    was_connected: AtomicBool,
}

impl fmt::Debug for WebSocketDial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketDial").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl WebSocketDial {
    /// Will dial that manager, with or without `http://`, and show it the token.
    pub fn new(manager: &str, token: Option<Secret>) -> Result<Self, DialError> {
        Ok(Self { url: link_url(manager)?, token, was_connected: AtomicBool::new(false) })
    }
}

#[async_trait]
impl Dial for WebSocketDial {
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
            Err(DialError::Hopeless(reason)) => Err(worker::DialError::Never(reason)),
            Err(DialError::Later(reason)) => Err(worker::DialError::Later(reason)),
        }
    }
}

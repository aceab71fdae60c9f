//! Starting a manager: with HTTP for `pod serve`, without it for those who embed one.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pod_backends::fetch::{FetchLimits, HttpFetch, Schemes};
use pod_core::{Pod, provisioner::Backend, store::Store};
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{App, LinkSlot, ManagerLogs, StartError, WithWorkerLink, app::WHOLE_OUTPUTS, listen};
use crate::{auth::Access, config::Config, guard::Hosts};

/// How long requests under way may take when the manager goes.
const LINGER: Duration = Duration::from_secs(3);
/// How long the engine may take to commit and close. Both together stay below the 10 s that a signal may take.
const CLOSE: Duration = Duration::from_secs(5);

/// What a manager is made of beside its configuration.
#[derive(Debug)]
pub struct Parts<B> {
    /// Where records are kept.
    pub store: Arc<dyn Store>,
    /// Where executions run.
    pub backend: B,
}

/// A manager without HTTP.
#[derive(Debug)]
pub struct Manager {
    /// What everything is asked of.
    pub pod: Pod,
    links: LinkSlot,
    logs: ManagerLogs,
}

/// A manager that listens.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What everything is asked of.
    pub pod: Pod,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Manager {
    /// Starts the engine over these parts.
    pub async fn start<B: Backend>(config: &Config, parts: Parts<B>) -> Result<Self, StartError> {
        let logs = ManagerLogs::new(&config.data_dir, config.lines());
        logs.note(&format!("POD {} in {}", env!("CARGO_PKG_VERSION"), config.data_dir.display()));
        let limits = config.limits();
        let schemes = if config.allow_file_urls { Schemes::HttpAndFile } else { Schemes::Http };
        let fetch = HttpFetch::new(FetchLimits { max_bytes: limits.max_payload, time: config.fetch_timeout, schemes })
            .map_err(StartError::Other)?;
        let (backend, links) = WithWorkerLink::new(parts.backend);
        let starting = Pod::builder().shared_store(parts.store).backend(backend).fetch(fetch).limits(limits).start();
        let pod = starting.await?;
        logs.note(&format!(
            "the engine runs over store {} ({}, {} backend)",
            pod.store_id(),
            config.store,
            config.backend
        ));
        Ok(Self { pod, links, logs })
    }

    /// Listens as configured.
    pub async fn listen(self, config: &Config) -> Result<Running, StartError> {
        let addresses = listen::resolve(&config.listen).await?;
        config.check_reach(&addresses)?;
        let listener = listen::bind(&config.listen, &addresses).await?;
        let address =
            listener.local_addr().map_err(|error| StartError::Listen(format!("the listener is gone: {error}")))?;
        self.logs.note(&format!("listening on http://{address}"));
        let shutdown = CancellationToken::new();
        let app = Arc::new(App {
            pod: self.pod.clone(),
            limits: config.limits(),
            access: Access::new(config.token.as_ref(), config.worker_token.as_ref()),
            hosts: Hosts::new(&[address], &config.listen, &config.allow_hosts),
            logs: self.logs,
            links: self.links,
            shutdown: shutdown.clone(),
            whole_outputs: Semaphore::new(WHOLE_OUTPUTS),
        });
        let serving = tokio::spawn(listen::serve(listener, app));
        Ok(Running { address, pod: self.pod, shutdown, serving })
    }
}

impl Running {
    /// Stops within 10 s: takes nothing more, lets followers go, commits what was accepted. Local workers go on.
    pub async fn stop(self) {
        self.shutdown.cancel();
        let mut serving = self.serving;
        if tokio::time::timeout(LINGER, &mut serving).await.is_err() {
            // Requests that wait for something long: their senders see the connection close and ask again.
            serving.abort();
        }
        close(&self.pod).await;
    }
}

/// Ends the engine, or gives up on it: what was acknowledged is durable in any case.
pub(super) async fn close(pod: &Pod) {
    if tokio::time::timeout(CLOSE, pod.shutdown()).await.is_err() {
        tracing::warn!("the engine did not close in time");
    }
}

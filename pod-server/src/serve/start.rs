//! Starting a manager: with HTTP for `pod serve`, without it for those who embed one.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pod_backends::{
    data_dir::DataDirLock,
    fetch::{FetchLimits, HttpFetch, Schemes},
    join_gateway::JoinGateway,
    local::InProcessWorkers,
};
use pod_core::{Pod, provisioner::Backend, store::Store};
use pod_web::Web;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    app::App,
    components::{self, WorkerPlacement},
    error::StartError,
    holder,
    links::{LinkSlot, WithWorkerLink},
    listen,
    logs::ManagerLogs,
};
use crate::{
    api::objects::overview,
    auth::{Access, Sessions, form_secret::form_secret},
    config::{BackendChoice, Config},
    guard::hosts::Hosts,
    metrics::Metrics,
    peer::Users,
    worker_link::WorkerLink,
};

/// How long open requests may take at shutdown.
const REQUEST_DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the engine may take to commit and close. Both timeouts together stay below the 10 s that a signal may take.
const ENGINE_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The error when no request can be authorised.
pub const NEEDS_TOKEN: &str = "a token is needed here: the kernel does not tell whose a connection is (sock_diag is \
                               missing), so nobody is served without one; start it with POD_TOKEN";

/// The components of a manager beside its configuration.
#[derive(Debug)]
pub struct Components<B> {
    /// The store of all records.
    pub store: Arc<dyn Store>,
    /// The backend that runs executions.
    pub backend: B,
}

/// Starts a manager as configured, which listens.
///
/// It locks the data directory first: a second manager gets an error that names the holder, and touches nothing.
pub async fn start(config: &Config, placement: WorkerPlacement) -> Result<RunningManager, StartError> {
    let lock = components::hold(config)?;
    let listener = listen::bind(config).await?;
    embed_with(config, placement, lock).await?.serve(config, listener)
}

/// Starts a manager as configured, without HTTP.
pub async fn embed(config: &Config, placement: WorkerPlacement) -> Result<Manager, StartError> {
    let lock = components::hold(config)?;
    embed_with(config, placement, lock).await
}

async fn embed_with(config: &Config, placement: WorkerPlacement, lock: DataDirLock) -> Result<Manager, StartError> {
    let store = components::store(config).await?;
    let manager = match (config.backend, placement) {
        (BackendChoice::Local, WorkerPlacement::Processes) => {
            Manager::start(config, Components { store, backend: components::worker_processes(config)? }).await?
        }
        (BackendChoice::Local, WorkerPlacement::ThisProcess) if config.run_as.is_some() => {
            return Err(StartError::Other("--run-as needs workers in processes of their own".to_owned()));
        }
        (BackendChoice::Local, WorkerPlacement::ThisProcess) => {
            Manager::start(config, Components { store, backend: InProcessWorkers::new(&config.data_dir) }).await?
        }
        (BackendChoice::Docker, _) => {
            let backend = components::containers(config)?;
            let gateway = backend.gateway();
            Manager { gateway, ..Manager::start(config, Components { store, backend }).await? }
        }
        (BackendChoice::Swarm, _) => {
            let backend = components::tasks(config)?;
            let gateway = Some(backend.gateway());
            Manager { gateway, ..Manager::start(config, Components { store, backend }).await? }
        }
    };
    Ok(Manager { lock: Some(lock), ..manager })
}

/// A manager without HTTP.
#[derive(Debug)]
pub struct Manager {
    /// The handle for everything that the manager does.
    pub pod: Pod,
    metrics: Arc<Metrics>,
    links: LinkSlot,
    /// Where workers in containers dial over the network.
    gateway: Option<JoinGateway>,
    logs: ManagerLogs,
    /// Where the manager holds its data directory itself.
    lock: Option<DataDirLock>,
    grace: Duration,
}

/// A manager that listens.
#[derive(Debug)]
pub struct RunningManager {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it serves no request until it is started with a token: the kernel does not tell who owns a connection.
    pub needs_token: bool,
    /// The handle for everything that the manager does.
    pub pod: Pod,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
    /// Released last.
    lock: Option<DataDirLock>,
    grace: Duration,
}

impl Manager {
    /// Starts the engine over these components.
    pub async fn start<B: Backend>(config: &Config, components: Components<B>) -> Result<Self, StartError> {
        let logs = ManagerLogs::new(&config.data_dir, config.lines());
        logs.note(&format!("POD {} in {}", env!("CARGO_PKG_VERSION"), config.data_dir.display()));
        let limits = config.limits();
        let schemes = if config.allow_file_urls { Schemes::HttpAndFile } else { Schemes::Http };
        let fetch = HttpFetch::new(FetchLimits { max_bytes: limits.max_payload, time: config.fetch_timeout, schemes })
            .map_err(StartError::Other)?;
        let (backend, links) = WithWorkerLink::new(components.backend);
        let metrics = Arc::new(Metrics::new(config.data_dir.clone()));
        let builder = Pod::builder().shared_store(components.store).backend(backend).fetch(fetch).limits(limits);
        let builder = builder.holder(holder::of_directory(&config.data_dir));
        let starting = builder.observer(metrics.clone()).start();
        let pod = starting.await?;
        logs.note(&format!(
            "the engine runs over store {} ({}, {} backend)",
            pod.store_id(),
            config.store,
            config.backend
        ));
        Ok(Self { pod, metrics, links, gateway: None, logs, lock: None, grace: config.grace.as_duration() })
    }

    /// Stops: commits what was accepted. Workers in this process leave, and what they ran runs again at the next start.
    pub async fn stop(self) {
        close(&self.pod, self.grace).await;
        drop(self.lock);
    }

    /// Listens as configured.
    pub async fn listen(self, config: &Config) -> Result<RunningManager, StartError> {
        let listener = listen::bind(config).await?;
        self.serve(config, listener)
    }

    fn serve(mut self, config: &Config, listener: TcpListener) -> Result<RunningManager, StartError> {
        let address =
            listener.local_addr().map_err(|error| StartError::Listen(format!("the listener is gone: {error}")))?;
        if let Some(lock) = &mut self.lock
            && let Err(error) = lock.set_address(&format!("http://{address}"))
        {
            // Only an error message of another process lacks it.
            tracing::warn!(%error, "the address could not be written into the data directory");
        }
        self.logs.note(&format!("listening on http://{address}"));
        let shutdown = CancellationToken::new();
        let sessions = Sessions::new(&pod_web::digits(&self.pod)).kept_in(&config.data_dir);
        let web = Web::new(self.pod.clone(), config.limits(), config.token.is_some(), shutdown.clone())
            .form_secret(&form_secret(&config.data_dir))
            .session_cookie(sessions.cookie_name())
            .base_path(config.base_path.clone());
        let access = Access::new(config.token.as_ref(), config.worker_token.as_ref(), sessions);
        // With a token it is the token that counts, whosever the connection is.
        let users = if access.requires_token() { Users::unknown() } else { Users::of_the_kernel() };
        let needs_token = !access.requires_token() && !users.are_known();
        if needs_token {
            self.logs.note(NEEDS_TOKEN);
        }
        let hosts = if access.requires_token() {
            Hosts::new(&[address], &config.listen, &config.allow_hosts)
        } else {
            Hosts::of_loopback()
        };
        let app = Arc::new(App {
            pod: self.pod.clone(),
            limits: config.limits(),
            backend: overview::Backend::of(config),
            access,
            base_path: config.base_path.clone(),
            hosts,
            logs: self.logs,
            link: WorkerLink { links: self.links, gateway: self.gateway, shutdown: shutdown.clone() },
            metrics: self.metrics,
            web: Arc::new(web),
            shutdown: shutdown.clone(),
        });
        let serving = tokio::spawn(listen::serve(listener, app, users));
        Ok(RunningManager {
            address,
            needs_token,
            pod: self.pod,
            shutdown,
            serving,
            lock: self.lock,
            grace: self.grace,
        })
    }
}

impl RunningManager {
    /// Stops within 10 s: refuses new requests, disconnects followers, commits what was accepted. Local workers go on.
    pub async fn stop(self) {
        drop(self.stop_listening().await.stop().await);
    }

    /// Refuses new requests and disconnects followers; everything else goes on.
    pub async fn stop_listening(mut self) -> ClosedListener {
        // Before any connection is refused: clients that look up the address then wait for the next manager.
        if let Some(lock) = &mut self.lock
            && let Err(error) = lock.withdraw_address()
        {
            tracing::warn!(%error, "the address could not be taken out of the data directory");
        }
        self.shutdown.cancel();
        let mut serving = self.serving;
        if tokio::time::timeout(REQUEST_DRAIN_TIMEOUT, &mut serving).await.is_err() {
            // Long polls: their clients see the connection close and ask again.
            serving.abort();
        }
        ClosedListener { pod: self.pod, lock: self.lock, grace: self.grace }
    }
}

/// A manager that no longer listens.
#[derive(Debug)]
pub struct ClosedListener {
    /// The handle for everything that the manager does.
    pub pod: Pod,
    lock: Option<DataDirLock>,
    grace: Duration,
}

impl ClosedListener {
    /// Stops: commits what was accepted. The data directory is held until what is returned is dropped.
    pub async fn stop(self) -> Option<DataDirLock> {
        close(&self.pod, self.grace).await;
        self.lock
    }
}

/// Ends the engine, or gives up on it: what was acknowledged is durable in any case. Only workers of this process take
/// the grace time of what they run.
async fn close(pod: &Pod, grace: Duration) {
    if tokio::time::timeout(ENGINE_CLOSE_TIMEOUT.saturating_add(grace), pod.shutdown()).await.is_err() {
        tracing::warn!("the engine did not close in time");
    }
}

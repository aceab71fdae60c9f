//! Starting a manager: with HTTP for `pod serve`, without it for those who embed one.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pod_backends::{
    data_dir::DataDirLock,
    door::Door,
    fetch::{FetchLimits, HttpFetch, Schemes},
    local::Local,
};
use pod_core::{Pod, provisioner::Backend, store::Store};
use pod_web::Web;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    app::App,
    error::StartError,
    holder,
    links::{LinkSlot, WithWorkerLink},
    listen,
    logs::ManagerLogs,
    parts::{self, WorkerHome},
};
use crate::{
    api::objects::overview,
    auth::{Access, Sessions, kept::form_secret},
    config::{BackendChoice, Config},
    guard::hosts::Hosts,
    metrics::Metrics,
    peer::Users,
    worker_link::WorkerLink,
};

/// How long requests under way may take when the manager goes.
const LINGER: Duration = Duration::from_secs(3);
/// How long the engine may take to commit and close. Both together stay below the 10 s that a signal may take.
const CLOSE: Duration = Duration::from_secs(5);

/// What is said where nobody can be served.
pub const NEEDS_TOKEN: &str = "a token is needed here: the kernel does not tell whose a connection is (sock_diag is \
                               missing), so nobody is served without one; start it with POD_TOKEN";

/// What a manager is made of beside its configuration.
#[derive(Debug)]
pub struct Parts<B> {
    /// Where records are kept.
    pub store: Arc<dyn Store>,
    /// Where executions run.
    pub backend: B,
}

/// Starts a manager as configured, which listens.
///
/// The data directory is taken first of all: a second manager is told who holds it, and touches nothing.
pub async fn start(config: &Config, home: WorkerHome) -> Result<Running, StartError> {
    let lock = parts::hold(config)?;
    let listener = listen::bind(config).await?;
    embed_with(config, home, lock).await?.serve(config, listener)
}

/// Starts a manager as configured, without HTTP.
pub async fn embed(config: &Config, home: WorkerHome) -> Result<Manager, StartError> {
    let lock = parts::hold(config)?;
    embed_with(config, home, lock).await
}

async fn embed_with(config: &Config, home: WorkerHome, lock: DataDirLock) -> Result<Manager, StartError> {
    let store = parts::store(config).await?;
    let manager = match (config.backend, home) {
        (BackendChoice::Local, WorkerHome::Processes) => {
            Manager::start(config, Parts { store, backend: parts::worker_processes(config)? }).await?
        }
        (BackendChoice::Local, WorkerHome::ThisProcess) if config.run_as.is_some() => {
            return Err(StartError::Other("--run-as needs workers in processes of their own".to_owned()));
        }
        (BackendChoice::Local, WorkerHome::ThisProcess) => {
            Manager::start(config, Parts { store, backend: Local::new(&config.data_dir) }).await?
        }
        (BackendChoice::Docker, _) => {
            let backend = parts::containers(config)?;
            let door = backend.door();
            Manager { door, ..Manager::start(config, Parts { store, backend }).await? }
        }
        (BackendChoice::Swarm, _) => {
            let backend = parts::tasks(config)?;
            let door = Some(backend.door());
            Manager { door, ..Manager::start(config, Parts { store, backend }).await? }
        }
    };
    Ok(Manager { lock: Some(lock), ..manager })
}

/// A manager without HTTP.
#[derive(Debug)]
pub struct Manager {
    /// What everything is asked of.
    pub pod: Pod,
    metrics: Arc<Metrics>,
    links: LinkSlot,
    /// Where workers in containers dial over the network.
    door: Option<Door>,
    logs: ManagerLogs,
    /// Where the manager holds its data directory itself.
    lock: Option<DataDirLock>,
    grace: Duration,
}

/// A manager that listens.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether nobody is served until it is started with a token: the kernel does not tell whose a connection is.
    pub needs_token: bool,
    /// What everything is asked of.
    pub pod: Pod,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
    /// Let go last.
    lock: Option<DataDirLock>,
    grace: Duration,
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
        let metrics = Arc::new(Metrics::new(config.data_dir.clone()));
        let builder = Pod::builder().shared_store(parts.store).backend(backend).fetch(fetch).limits(limits);
        let builder = builder.holder(holder::of_directory(&config.data_dir));
        let starting = builder.observer(metrics.clone()).start();
        let pod = starting.await?;
        logs.note(&format!(
            "the engine runs over store {} ({}, {} backend)",
            pod.store_id(),
            config.store,
            config.backend
        ));
        Ok(Self { pod, metrics, links, door: None, logs, lock: None, grace: config.grace.as_duration() })
    }

    /// Stops: commits what was accepted. Workers in this process leave, and what they ran runs again at the next start.
    pub async fn stop(self) {
        close(&self.pod, self.grace).await;
        drop(self.lock);
    }

    /// Listens as configured.
    pub async fn listen(self, config: &Config) -> Result<Running, StartError> {
        let listener = listen::bind(config).await?;
        self.serve(config, listener)
    }

    fn serve(mut self, config: &Config, listener: TcpListener) -> Result<Running, StartError> {
        let address =
            listener.local_addr().map_err(|error| StartError::Listen(format!("the listener is gone: {error}")))?;
        if let Some(lock) = &mut self.lock
            && let Err(error) = lock.set_address(&format!("http://{address}"))
        {
            // Only for those who find the directory held: they are told less.
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
        let users = if access.asks() { Users::unknown() } else { Users::of_the_kernel() };
        let needs_token = !access.asks() && !users.are_known();
        if needs_token {
            self.logs.note(NEEDS_TOKEN);
        }
        let hosts = if access.asks() {
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
            link: WorkerLink { links: self.links, door: self.door, shutdown: shutdown.clone() },
            metrics: self.metrics,
            web: Arc::new(web),
            shutdown: shutdown.clone(),
        });
        let serving = tokio::spawn(listen::serve(listener, app, users));
        Ok(Running { address, needs_token, pod: self.pod, shutdown, serving, lock: self.lock, grace: self.grace })
    }
}

impl Running {
    /// Stops within 10 s: takes nothing more, lets followers go, commits what was accepted. Local workers go on.
    pub async fn stop(self) {
        drop(self.stop_listening().await.stop().await);
    }

    /// Takes nothing more and lets followers go; everything else goes on.
    pub async fn stop_listening(mut self) -> Unheard {
        // Before anyone is turned away: who looks for a manager waits for the next one then.
        if let Some(lock) = &mut self.lock
            && let Err(error) = lock.withdraw_address()
        {
            tracing::warn!(%error, "the address could not be taken out of the data directory");
        }
        self.shutdown.cancel();
        let mut serving = self.serving;
        if tokio::time::timeout(LINGER, &mut serving).await.is_err() {
            // Requests that wait for something long: their senders see the connection close and ask again.
            serving.abort();
        }
        Unheard { pod: self.pod, lock: self.lock, grace: self.grace }
    }
}

/// A manager that has listened, and does so no more.
#[derive(Debug)]
pub struct Unheard {
    /// What everything is asked of.
    pub pod: Pod,
    lock: Option<DataDirLock>,
    grace: Duration,
}

impl Unheard {
    /// Stops: commits what was accepted. The data directory is held until what is returned is dropped.
    pub async fn stop(self) -> Option<DataDirLock> {
        close(&self.pod, self.grace).await;
        self.lock
    }
}

/// Ends the engine, or gives up on it: what was acknowledged is durable in any case. Only workers of this process take
/// the grace time of what they run.
async fn close(pod: &Pod, grace: Duration) {
    if tokio::time::timeout(CLOSE.saturating_add(grace), pod.shutdown()).await.is_err() {
        tracing::warn!("the engine did not close in time");
    }
}

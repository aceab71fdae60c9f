//! Finds the manager for `run` and `map`: the one that was named, the holder of the data directory, or one that this
//! process embeds for the run.
//!
//! Several runs may share a data directory: the first one embeds the manager, the others use it. If the first ends before
//! them, its workers stay, and another run takes the directory and the workers over. A `pod serve` that is started
//! meanwhile gets them at once.

use std::{path::PathBuf, sync::Arc, time::Duration};

use pod_backends::data_dir::DataDirError;
use pod_server::{
    client::{Address, Client},
    config::{BackendChoice, Config, DockerArgs, ServeArgs},
};
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{HOLDER_POLL_INTERVAL, HostOptions, ManagerOptions, redirect},
    embedded_manager::{self, EmbeddedManager, StartOutcome, WorkerShutdown},
    failure::Failure,
    launch_watch::ManagerOwner,
    reconnect,
};

/// How long the holder of the data directory may take to publish its address.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two checks whether the host still runs.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// The manager that a run uses.
#[derive(Debug)]
pub(crate) struct ManagerSession {
    client: Client,
    /// The manager, while this process embeds it.
    hosted: Arc<Mutex<Option<EmbeddedManager>>>,
    /// This process embedded it from the start, with the settings of this command.
    is_hosted: bool,
    /// Watches a host in another process, to follow it or to take its place, or gives ours up. Nothing where the manager
    /// was named.
    watch: Option<JoinHandle<()>>,
    done: CancellationToken,
}

impl ManagerSession {
    /// Finds a manager, or hosts one.
    pub(crate) async fn open(options: &ManagerOptions, host: &HostOptions) -> Result<Self, Failure> {
        if let Some(client) = options.named()? {
            if host.docker != DockerArgs::default() {
                return Err(Failure::new(
                    "--docker-… is for a manager that is started for the run, and this one is named by --server or POD; \
                     leave it out, or give it to pod serve",
                ));
            }
            let client = reconnect::for_wait(&client);
            if let Some(backend) = &host.backend {
                refuse_another(&client, backend, None).await?;
            }
            return Ok(Self {
                client,
                hosted: Arc::default(),
                is_hosted: false,
                watch: None,
                done: CancellationToken::new(),
            });
        }
        let config = config_for_a_run(options, host)?;
        let is_particular = host.backend.is_some() || host.docker != DockerArgs::default();
        let containers = config.containers().filter(|_| host.docker != DockerArgs::default());
        let backend = config.backend.to_string();
        let (address, hosted) = find_or_host(&config).await?;
        let client =
            Client::new(address.parse::<Address>()?, config.token.as_ref().map(|token| token.expose().to_owned()))?;
        let client = reconnect::for_takeover(&client);
        let is_ours = hosted.is_some();
        let hosted = Arc::new(Mutex::new(hosted));
        let done = CancellationToken::new();
        let watch = Some(tokio::spawn(watch(config, client.clone(), Arc::clone(&hosted), done.clone())));
        let session = Self { client, hosted, is_hosted: is_ours, watch, done };
        if !is_ours
            && is_particular
            && let Err(refusal) = refuse_another(&session.client, &backend, containers).await
        {
            session.close(WorkerShutdown::IfIdle).await;
            return Err(refusal);
        }
        Ok(session)
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Whose manager it is.
    pub(crate) fn host(&self) -> ManagerOwner {
        if self.is_hosted { ManagerOwner::ThisRun } else { ManagerOwner::Another }
    }

    /// Stops the manager if it is hosted here.
    pub(crate) async fn close(self, workers: WorkerShutdown) {
        self.done.cancel();
        if let Some(watch) = self.watch {
            // Not aborted: a manager that it is starting must be stopped, too.
            let _ = watch.await;
        }
        if let Some(hosted) = self.hosted.lock().await.take() {
            hosted.stop(workers).await;
        }
    }
}

/// The settings of `pod serve` apply where the environment or a configuration file gives them, except the address to
/// listen on.
fn config_for_a_run(options: &ManagerOptions, host: &HostOptions) -> Result<Config, Failure> {
    let data_dir: PathBuf = options.data_dir()?;
    let environment = |name: &str| match name {
        "POD_LISTEN" => None,
        name => std::env::var(name).ok().filter(|value| !value.is_empty()),
    };
    let settings = ServeArgs {
        listen: Some("127.0.0.1:0".to_owned()),
        data_dir: data_dir.to_str().map(str::to_owned),
        token: options.token(),
        backend: host.backend.clone().filter(|backend| !backend.is_empty()),
        docker: host.docker.clone(),
        ..ServeArgs::default()
    };
    let mut config = Config::resolve(&settings, &environment).map_err(|error| Failure::new(error.to_string()))?;
    config.data_dir = data_dir;
    if host.docker != DockerArgs::default() && config.backend == BackendChoice::Local {
        return Err(Failure::new(
            "the options --docker-… say how containers are made, and this run would start workers without any; add \
             --backend docker, or leave them out",
        ));
    }
    Ok(config)
}

/// Refuses a manager that runs executions otherwise than it was asked for here.
async fn refuse_another(client: &Client, backend: &str, containers: Option<String>) -> Result<(), Failure> {
    let overview = client.overview().await?;
    let address = client.address();
    let actual = overview.backend.as_deref().unwrap_or("unknown");
    if actual != backend {
        return Err(Failure::new(format!(
            "--backend {backend} cannot be had: the manager at {address} was started with the backend {actual}; leave it \
             out, or choose another manager"
        )));
    }
    if containers.is_some() && containers != overview.containers {
        return Err(Failure::new(format!(
            "what the options --docker-… ask for cannot be had: the manager at {address} makes its containers otherwise; \
             leave them out, or choose another manager"
        )));
    }
    Ok(())
}

async fn find_or_host(config: &Config) -> Result<(String, Option<EmbeddedManager>), Failure> {
    let deadline = tokio::time::Instant::now() + ADDRESS_TIMEOUT;
    loop {
        let held = match embedded_manager::start(config).await? {
            StartOutcome::Started(hosted) => return Ok((hosted.address(), Some(*hosted))),
            StartOutcome::DirectoryHeld(held) => held,
        };
        if let DataDirError::Held { address: Some(address), .. } = held {
            return Ok((address, None));
        }
        if tokio::time::Instant::now() > deadline {
            return Err(Failure::new(held.to_string()));
        }
        tokio::time::sleep(HOLDER_POLL_INTERVAL).await;
    }
}

/// Follows the manager of the data directory to a new address, embeds it when no process holds it, and hands it over to
/// a `pod serve`.
async fn watch(config: Config, client: Client, hosted: Arc<Mutex<Option<EmbeddedManager>>>, done: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
            () = done.cancelled() => return,
        }
        let wanted = hosted.lock().await.take_if(|hosted| hosted.is_claimed());
        if let Some(wanted) = wanted {
            wanted.hand_over().await;
            super::console::note("a pod serve was started here, and has its manager from now on");
            continue;
        }
        if redirect(&config.data_dir, &client) {
            continue;
        }
        match find_or_host(&config).await {
            Ok((address, host)) => {
                if let Ok(address) = address.parse() {
                    client.redirect(address);
                }
                if host.is_some() {
                    *hosted.lock().await = host;
                }
            }
            Err(failure) => super::console::note(failure.to_string()),
        }
    }
}

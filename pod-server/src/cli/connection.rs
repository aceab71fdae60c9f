//! Finds the manager that a command talks to.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use pod_backends::data_dir::{DataDirLock, Holder, Holding};
use pod_server::{
    client::{Address, Client},
    config::{DockerArgs, default_data_dir},
};

use tokio::time::{Instant, sleep};

use super::{
    console,
    excluded::ExcludedDir,
    failure::Failure,
    reconnect::{self, QUERY_RETRY_TIMEOUT},
};

/// Between two checks who holds a data directory.
pub(crate) const HOLDER_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Between two checks whether the manager has moved.
const REDIRECT_INTERVAL: Duration = Duration::from_millis(500);

/// Which manager to talk to. Without `--server`, it is the one that holds the data directory of this machine.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ManagerOptions {
    /// The address of the manager, with or without http:// and /POD
    #[arg(long, env = "POD", value_name = "URL", help_heading = "Manager")]
    server: Option<String>,

    /// The manager's token; better given by the environment, where ps does not show it
    #[arg(long, env = "POD_TOKEN", hide_env_values = true, value_name = "TOKEN", help_heading = "Manager")]
    token: Option<String>,

    /// The data directory of the manager on this machine [default: $XDG_DATA_HOME/pod, else ~/.local/share/pod]
    #[arg(long, env = "POD_DATA_DIR", value_name = "DIR", help_heading = "Manager")]
    data_dir: Option<PathBuf>,
}

/// How the manager is that a run hosts itself, where none is named and none is there. The other settings of
/// `pod serve` apply as far as the environment and a configuration file give them.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct HostOptions {
    /// Where executions run, where this run hosts the manager: local or docker
    #[arg(long, env = "POD_BACKEND", value_name = "BACKEND", help_heading = "Manager")]
    pub(crate) backend: Option<String>,

    /// How the containers are made.
    #[command(flatten, next_help_heading = "Containers, with --backend docker")]
    pub(crate) docker: DockerArgs,
}

impl ManagerOptions {
    /// A client of the manager that is named, or that holds the data directory, for a command that asks something.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        if let Some(client) = self.named()? {
            return Ok(reconnect::for_query(&client));
        }
        let data_dir = self.data_dir()?;
        let address = holder_of(&data_dir).await?;
        let client = Client::new(address.parse()?, self.token())?;
        tokio::spawn(follow(data_dir, client.clone()));
        Ok(reconnect::for_query(&client))
    }

    /// A client of the manager that the user named, if one was.
    pub(crate) fn named(&self) -> Result<Option<Client>, Failure> {
        let Some(server) = self.server.as_deref().filter(|server| !server.trim().is_empty()) else { return Ok(None) };
        let address: Address = server.parse()?;
        Ok(Some(Client::new(address, self.token())?))
    }

    /// What of this machine's manager is no part of a program that is packed.
    pub(crate) fn excluded(&self) -> Vec<ExcludedDir> {
        self.data_dir().into_iter().map(|path| ExcludedDir { path, option: "--data-dir" }).collect()
    }

    /// The token, if one was given.
    pub(crate) fn token(&self) -> Option<String> {
        self.token.clone().filter(|token| !token.is_empty())
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> Result<PathBuf, Failure> {
        match &self.data_dir {
            Some(directory) if !directory.as_os_str().is_empty() => Ok(directory.clone()),
            _ => default_data_dir(&|name| std::env::var(name).ok()).map_err(|error| Failure::new(error.to_string())),
        }
    }
}

/// The address of the manager that holds a data directory. It waits for one that is about to listen.
async fn holder_of(data_dir: &Path) -> Result<String, Failure> {
    let deadline = Instant::now() + QUERY_RETRY_TIMEOUT;
    let mut shown = None;
    loop {
        let holding = DataDirLock::holding(data_dir);
        let is_expected = holding != Holding::Free;
        if let Holding::Held(Holder { address: Some(address), .. }) = holding {
            return Ok(address);
        }
        if !is_expected || Instant::now() >= deadline {
            if let Err(error) = std::fs::metadata(data_dir.join("."))
                && error.kind() == std::io::ErrorKind::PermissionDenied
            {
                return Err(Failure::no_answer(format!(
                    "the data directory {} is not yours to look into, so its manager cannot be found; name it with \
                     --server or the environment variable POD, and show its token with POD_TOKEN",
                    data_dir.display()
                )));
            }
            return Err(Failure::no_answer(format!(
                "no manager is named and none holds {}; start one with `pod serve`, or name one with --server or the \
                 environment variable POD",
                data_dir.display()
            )));
        }
        if console::is_watched() {
            let what = format!("the manager of {} is not there; looking again", data_dir.display());
            shown.get_or_insert_with(console::spinner).say(what);
        }
        sleep(HOLDER_POLL_INTERVAL).await;
    }
}

/// Follows the manager of a data directory to wherever it listens, for as long as the command lasts.
async fn follow(data_dir: PathBuf, client: Client) {
    loop {
        sleep(REDIRECT_INTERVAL).await;
        redirect(&data_dir, &client);
    }
}

/// Redirects a client to the manager of a data directory. Returns whether the directory is held.
pub(crate) fn redirect(data_dir: &Path, client: &Client) -> bool {
    let Holding::Held(holder) = DataDirLock::holding(data_dir) else { return false };
    if let Some(address) = holder.address.and_then(|address| address.parse().ok()) {
        client.redirect(address);
    }
    true
}

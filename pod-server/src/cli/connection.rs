//! Which manager a command talks to.

use std::path::PathBuf;

use clap::Args;
use pod_backends::provisioner::local::DataDirLock;
use pod_server::{
    client::{Address, Client},
    config::{DockerArgs, default_data_dir},
};

use super::failure::Failure;

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
    /// A client of the manager that is named, or that holds the data directory.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        if let Some(client) = self.named()? {
            return Ok(client);
        }
        let data_dir = self.data_dir()?;
        let address = DataDirLock::holder(&data_dir).and_then(|holder| holder.address);
        match address {
            Some(address) => Ok(Client::new(address.parse()?, self.token())?),
            None => Err(Failure::new(format!(
                "no manager is named and none holds {}; start one with `pod serve`, or name one with --server or the \
                 environment variable POD",
                data_dir.display()
            ))),
        }
    }

    /// A client of the manager that the user named, if one was.
    pub(crate) fn named(&self) -> Result<Option<Client>, Failure> {
        let Some(server) = self.server.as_deref().filter(|server| !server.trim().is_empty()) else { return Ok(None) };
        let address: Address = server.parse()?;
        Ok(Some(Client::new(address, self.token())?))
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

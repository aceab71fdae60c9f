//! Workers of both kinds beside each other: containers that run executions, and processes of this machine that run each
//! execution in a container. Which one a worker is to be is said when it is created.

use std::sync::Arc;

use async_trait::async_trait;
use pod_core::{
    domain::{Isolation, WorkerId},
    provisioner::{Backend, BackendContext, Capabilities, Machine, ProvisionError, Provisioner, WorkerSpec},
};

use super::{containers::Docker, isolated::IsolatedDocker};
use crate::{
    docker::{client::engine::Engine, places::NAME},
    join_gateway::JoinGateway,
};

/// Workers of either kind, as the activities want them.
#[derive(Debug)]
pub struct AllDocker {
    containers: Docker,
    isolated: IsolatedDocker,
}

impl AllDocker {
    /// As [`Docker::gateway`].
    #[must_use]
    pub fn gateway(&self) -> Option<JoinGateway> {
        self.containers.gateway()
    }

    /// Both are of one data directory, with the same settings. Those say which kind is the usual one.
    #[must_use]
    pub fn new(containers: Docker, isolated: IsolatedDocker) -> Self {
        Self { containers, isolated }
    }
}

#[async_trait]
impl Backend for AllDocker {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        let usual = self.containers.settings.isolation;
        let containers_can_dial = self.containers.settings.manager.is_some() || Engine::connect().await?.is_local();
        if usual == Isolation::Execution && !containers_can_dial {
            return Box::new(self.isolated).start(context).await;
        }
        let containers = Box::new(self.containers).start(context.clone()).await?;
        let isolated = Box::new(self.isolated).start(context).await?;
        Ok(Arc::new(Kinds { usual, containers, isolated }))
    }
}

#[derive(Debug)]
struct Kinds {
    usual: Isolation,
    containers: Arc<dyn Provisioner>,
    isolated: Arc<dyn Provisioner>,
}

#[async_trait]
impl Provisioner for Kinds {
    fn name(&self) -> &str {
        NAME
    }

    async fn create(&self, worker: WorkerId, spec: &WorkerSpec) -> Result<(), ProvisionError> {
        match spec.isolation {
            Isolation::Worker => self.containers.create(worker, spec).await,
            Isolation::Execution => self.isolated.create(worker, spec).await,
        }
    }

    /// Of both kinds: which one it was is not asked, and one that is not there is fine.
    async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        self.containers.destroy(worker).await?;
        self.isolated.destroy(worker).await
    }

    async fn list(&self) -> Result<Vec<Machine>, ProvisionError> {
        let mut all = self.containers.list().await?;
        all.extend(self.isolated.list().await?);
        all.sort_by_key(|machine| machine.worker);
        all.dedup_by_key(|machine| machine.worker);
        Ok(all)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { default_isolation: self.usual, supports_all: true }
    }
}

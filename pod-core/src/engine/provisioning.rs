//! Asks the provisioner. In which order and how much at a time, the manager has decided.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{later::later, message::Message, shared::Shared};
use crate::{
    domain::{Isolation, Millis, StoreId, WorkerId},
    plan::{Config, Input},
    provisioner::{ProvisionError, Provisioner, WorkerSpec},
};

/// A worker that is not destroyed within this time is destroyed anew.
const DESTROYED_WITHIN: Duration = Duration::from_secs(600);

/// Asks the provisioner, in tasks whose results go to the manager.
pub(super) struct Provisioning {
    shared: Arc<Shared>,
    inbox: mpsc::Sender<Message>,
    provisioner: Arc<dyn Provisioner>,
    store: StoreId,
    slots: u32,
    /// Gives creations up.
    creations: HashMap<WorkerId, CancellationToken>,
}

impl Provisioning {
    pub(super) fn new(
        shared: Arc<Shared>,
        inbox: mpsc::Sender<Message>,
        provisioner: Arc<dyn Provisioner>,
        config: &Config,
    ) -> Self {
        let (store, slots) = (config.store, config.limits.slots);
        Self { shared, inbox, provisioner, store, slots, creations: HashMap::new() }
    }

    pub(super) fn provisioner(&self) -> Arc<dyn Provisioner> {
        self.provisioner.clone()
    }

    /// Creates a worker.
    pub(super) fn create(&mut self, worker: WorkerId, isolation: Isolation) {
        let (cancel, provisioner) = (CancellationToken::new(), self.provisioner.clone());
        self.creations.retain(|_, creation| !creation.is_cancelled());
        self.creations.insert(worker, cancel.clone());
        let spec = WorkerSpec::new(self.store, self.slots).isolation(isolation);
        let created = move |result| Message::Happened(Input::Created { worker, result });
        let crashed = move |why| created(Err(ProvisionError::new(why)));
        later(&self.shared, &self.inbox, crashed, async move {
            // Also when it is over: then it is not kept any longer.
            let _over = cancel.clone().drop_guard();
            match cancel.run_until_cancelled(provisioner.create(worker, &spec)).await {
                Some(result) => Some(created(result)),
                None => Some(Message::CreationAbandoned(worker)),
            }
        });
    }

    /// Gives the creation of a worker up.
    pub(super) fn abandon_creation(&mut self, worker: WorkerId) {
        if let Some(creation) = self.creations.remove(&worker) {
            creation.cancel();
        }
    }

    /// Destroys a worker.
    pub(super) fn destroy(&self, worker: WorkerId) {
        let provisioner = self.provisioner.clone();
        let destroyed = move |result| Message::Happened(Input::Destroyed { worker, result });
        later(&self.shared, &self.inbox, move |why| destroyed(Err(why)), async move {
            let result = match timeout(DESTROYED_WITHIN, provisioner.destroy(worker)).await {
                Ok(result) => result.map_err(|error| error.message),
                Err(_) => Err(format!("it was not destroyed within {}", Millis::from(DESTROYED_WITHIN))),
            };
            Some(destroyed(result))
        });
    }

    /// Lists the workers that there are.
    pub(super) fn list(&self) {
        let provisioner = self.provisioner.clone();
        later(&self.shared, &self.inbox, |_| Message::Happened(Input::Tick), async move {
            match provisioner.list().await {
                Ok(workers) => Some(Message::Happened(Input::Listed(workers))),
                Err(error) => {
                    tracing::warn!("workers could not be listed and are listed again later: {error}");
                    None
                }
            }
        });
    }
}

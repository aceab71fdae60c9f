//! Connects workers that dial in over HTTP to the engine: a wrapper around the backend keeps a copy of the gateway that
//! the backend is started with.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use pod_core::provisioner::{Backend, BackendContext, ProvisionError, Provisioner, WorkerGateway};

/// The engine's links, once it has started its backend.
#[derive(Clone, Debug, Default)]
pub struct LinkSlot(Arc<OnceLock<Arc<dyn WorkerGateway>>>);

impl LinkSlot {
    /// The links; none before the backend was started.
    #[must_use]
    pub fn get(&self) -> Option<&Arc<dyn WorkerGateway>> {
        self.0.get()
    }
}

/// A backend that also lets workers dial in over HTTP.
#[derive(Debug)]
pub struct WithWorkerLink<B> {
    backend: B,
    slot: LinkSlot,
}

impl<B: Backend> WithWorkerLink<B> {
    /// Wraps a backend; the slot is filled when the engine starts it.
    pub fn new(backend: B) -> (Self, LinkSlot) {
        let slot = LinkSlot::default();
        (Self { backend, slot: slot.clone() }, slot)
    }
}

#[async_trait]
impl<B: Backend> Backend for WithWorkerLink<B> {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        // A backend is started once, so the slot is empty.
        let _ = self.slot.0.set(context.links.clone());
        Box::new(self.backend).start(context).await
    }
}

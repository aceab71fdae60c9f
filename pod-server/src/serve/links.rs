//! How workers that dial in over HTTP reach the engine: its links are handed to the backend when that starts, and this
//! one keeps a copy for the worker link.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use pod_core::{
    engine::Links,
    provisioner::{Backend, BackendContext, ProvisionError, Provisioner},
};

/// The engine's links, once it has started its backend.
#[derive(Clone, Debug, Default)]
pub struct LinkSlot(Arc<OnceLock<Links>>);

impl LinkSlot {
    /// The links; none before the backend was started.
    #[must_use]
    pub fn get(&self) -> Option<&Links> {
        self.0.get()
    }
}

/// A backend that also lets workers dial in over HTTP.
#[derive(Debug)]
pub struct WithWorkerLink {
    backend: Box<dyn Backend>,
    slot: LinkSlot,
}

impl WithWorkerLink {
    /// Wraps a backend; the slot is filled when the engine starts it.
    #[must_use]
    pub fn new(backend: Box<dyn Backend>) -> (Self, LinkSlot) {
        let slot = LinkSlot::default();
        (Self { backend, slot: slot.clone() }, slot)
    }
}

#[async_trait]
impl Backend for WithWorkerLink {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        // A backend is started once, so the slot is empty.
        let _ = self.slot.0.set(context.links.clone());
        self.backend.start(context).await
    }
}

//! Renews the lease beside the task of the manager.

use tokio::sync::oneshot;

use super::shared::Shared;
use crate::{domain::Epoch, store::StoreError};

/// A renewal that is under way, if one is.
#[derive(Debug, Default)]
pub(super) struct Renewal(Option<(Epoch, oneshot::Receiver<Result<(), StoreError>>)>);

impl Renewal {
    /// Asks the store to renew the lease of an epoch.
    pub(super) fn begin(&mut self, shared: &Shared, epoch: Epoch) {
        let (tell, outcome) = oneshot::channel();
        let (store, ttl, stop) = (shared.store.clone(), shared.lease_ttl, shared.stop.clone());
        shared.spawn(async move {
            tokio::select! {
                renewed = store.renew(epoch, ttl) => drop(tell.send(renewed)),
                () = stop.cancelled() => {}
            }
        });
        self.0 = Some((epoch, outcome));
    }

    /// Waits for its outcome; forever where none is under way. Cancellation safe.
    pub(super) async fn outcome(&mut self) -> (Epoch, Result<(), StoreError>) {
        let Some((epoch, outcome)) = &mut self.0 else { return std::future::pending().await };
        let epoch = *epoch;
        let unanswered = |_| Err(StoreError::unavailable("the renewal of the lease was not answered"));
        let outcome = outcome.await.unwrap_or_else(unanswered);
        self.0 = None;
        (epoch, outcome)
    }
}

//! Lets the workers leave that end with this process.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::{domain::Millis, provisioner::Provisioner};

/// Beyond the time that what runs may take, and the grace time that their settings give it, workers may take so long.
const SLACK: Duration = Duration::from_secs(15);

/// Asks the workers to leave, each time anew that they are given less time for it. Gives what is cancelled when they have
/// left, or are not waited for any longer.
pub(super) fn leave(shared: &Shared, provisioner: Arc<dyn Provisioner>) -> CancellationToken {
    let left = CancellationToken::new();
    let (guard, mut within, grace) = (left.clone().drop_guard(), shared.leave_within.subscribe(), shared.grace);
    shared.spawn(async move {
        let _guard = guard;
        loop {
            let time = *within.borrow_and_update();
            tokio::select! {
                () = leave_within(&*provisioner, time, grace) => return,
                Ok(()) = within.changed() => {}
            }
        }
    });
    left
}

async fn leave_within(provisioner: &dyn Provisioner, within: Duration, grace: Millis) {
    let patience = within.saturating_add(grace.as_duration()).saturating_add(SLACK);
    if timeout(patience, provisioner.leave(within)).await.is_err() {
        tracing::warn!("workers did not leave within {}; they are ended with the engine", Millis::from(patience));
    }
}

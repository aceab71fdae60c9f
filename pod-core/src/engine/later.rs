//! Work that takes long, beside the task of the manager.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use tokio::sync::mpsc;

use super::{message::Message, panic::said_in, shared::Shared};

/// Does something in a task and sends what came of it to the manager, also of a panic. Ends with the engine.
pub(super) fn later(
    shared: &Arc<Shared>,
    inbox: &mpsc::Sender<Message>,
    crashed: impl FnOnce(String) -> Message + Send + 'static,
    work: impl Future<Output = Option<Message>> + Send + 'static,
) {
    let (inbox, stop) = (inbox.clone(), shared.stop_token());
    shared.spawn(async move {
        let all = async {
            let done = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
                let why = format!("the backend crashed: {}", said_in(&*panic));
                tracing::error!("{why}");
                Some(crashed(why))
            });
            if let Some(message) = done {
                let _ = inbox.send(message).await;
            }
        };
        stop.run_until_cancelled(all).await;
    });
}

//! What the pages have at hand, and which path leads where.

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post},
};
use pod_core::{Limits, Pod};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{assets, failure, pages};

/// The state of the dashboard.
#[derive(Debug)]
pub struct Web {
    /// What everything is asked of.
    pub pod: Pod,
    /// The limits that the pod was started with.
    pub limits: Limits,
    /// Whether the manager asks for a token, so that one can sign out.
    pub signs_in: bool,
    /// Cancelled when the manager goes: followers are let go.
    pub shutdown: CancellationToken,
    /// What every form carries, so that no page of another site can make one.
    pub(crate) form_token: String,
}

impl Web {
    /// The dashboard of a pod.
    #[must_use]
    pub fn new(pod: Pod, limits: Limits, signs_in: bool, shutdown: CancellationToken) -> Self {
        // The identity of the store is random, and stays: a page outlives a restart of the manager.
        let seed = format!("pod form\0{}", pod.store_id());
        let form_token = Sha256::digest(seed).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { pod, limits, signs_in, shutdown, form_token }
    }
}

/// Every path of the dashboard but `/`, which it shares with the action API: that one is [`crate::front`].
pub fn router<S: Clone + Send + Sync + 'static>(web: Arc<Web>) -> Router<S> {
    Router::new()
        .route("/overview", get(pages::overview::show))
        .route("/theme", post(pages::theme::choose))
        .route("/assets/{file}", get(assets::serve))
        .layer(middleware::from_fn_with_state(web.clone(), failure::dress))
        .with_state(web)
}

//! What the pages have at hand, and which path leads where.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use pod_core::{Limits, Pod};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    assets, failure,
    form::Filled,
    jobs::Jobs,
    live::{self, Live},
    output::Indexes,
    pages::{self, activities, activity, executions, policies, workers},
};

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
    /// What tells open pages that something changed.
    pub(crate) live: Live,
    /// What is done to many executions at once.
    pub(crate) jobs: Jobs,
    /// Which line of an output lies where.
    pub(crate) indexes: Indexes,
}

impl Web {
    /// The dashboard of a pod.
    #[must_use]
    pub fn new(pod: Pod, limits: Limits, signs_in: bool, shutdown: CancellationToken) -> Self {
        // The identity of the store is random, and stays: a page outlives a restart of the manager.
        let seed = format!("pod form\0{}", pod.store_id());
        let form_token = Sha256::digest(seed).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let live = Live::of(pod.clone(), shutdown.clone());
        Self { pod, limits, signs_in, shutdown, form_token, live, jobs: Jobs::default(), indexes: Indexes::default() }
    }
}

/// Every path of the dashboard but `/`, which it shares with the action API: that one is [`crate::front`].
pub fn router<S: Clone + Send + Sync + 'static>(web: Arc<Web>) -> Router<S> {
    Router::new()
        .route("/overview", get(pages::overview::show))
        .route("/activities", get(activities::list))
        .route("/activities/new", get(activities::new).post(activities::create))
        .route("/activities/{name}", get(activity::show))
        .route("/activities/{name}/edit", get(activities::edit).post(activities::save))
        .route("/activities/{name}/delete", get(activity::ask_delete).post(activity::delete))
        // A page that answers a form is asked for again by its address: that is the form's page then.
        .route("/activities/{name}/run", post(activity::run).get(activity::form))
        .route("/activities/{name}/revisions/{no}", get(pages::revision::show))
        .route("/activities/{name}/installations/{worker}", get(activity::installation))
        .route("/executions", get(executions::list))
        .route("/executions/bulk", post(executions::bulk).get(executions::form))
        .route("/executions/bulk/{id}", get(executions::progress))
        .route("/workers", get(workers::list))
        .route("/workers/{id}", get(workers::show))
        .route("/workers/{id}/drain", get(workers::ask_drain).post(workers::drain))
        .route("/policies", get(policies::list))
        .route("/policies/new", get(policies::new).post(policies::create))
        .route("/policies/reset", post(policies::reset))
        .route("/policies/{name}/edit", get(policies::edit).post(policies::save))
        .route("/policies/{name}/apply", get(policies::ask_apply).post(policies::apply))
        .route("/policies/{name}/delete", get(policies::ask_delete).post(policies::delete))
        .route("/events", get(pages::events::list))
        .route("/help", get(pages::help::show))
        .route("/stream", get(live::follow))
        .route("/executions/{id}", get(pages::execution::show))
        .route("/executions/{id}/output/live", get(pages::execution::follow))
        .route("/executions/{id}/output/part", get(pages::execution::part))
        .route("/executions/{id}/terminate", post(pages::execution::terminate))
        .route("/executions/{id}/retry", post(pages::execution::retry))
        .route("/theme", post(pages::theme::choose))
        .route("/assets/{file}", get(assets::serve))
        .layer(DefaultBodyLimit::max(Filled::LARGEST))
        .layer(middleware::from_fn_with_state(web.clone(), failure::dress))
        .with_state(web)
}

//! The routes of the dashboard.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

use crate::{
    assets, failure,
    form::{self, FormData},
    pages::{self, activities, activity, executions, policies, workers},
    web::Web,
};

/// Every path of the dashboard but `/`, which it shares with the action API: that one is [`crate::front`].
///
/// It is safe from pages of other sites by itself: a form is taken from a page of its own only. Who may use it is for
/// the application to decide.
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
        .route("/stream", get(pages::stream::change_stream))
        .route("/executions/{id}", get(pages::execution::show))
        .route("/executions/{id}/output/live", get(pages::execution::follow))
        .route("/executions/{id}/output/part", get(pages::execution::part))
        .route("/executions/{id}/terminate", post(pages::execution::terminate))
        .route("/executions/{id}/retry", post(pages::execution::retry))
        .route("/theme", post(pages::theme::choose))
        .route("/assets/{file}", get(assets::serve))
        .layer(DefaultBodyLimit::max(FormData::MAX_SIZE))
        .layer(middleware::from_fn(form::guard))
        .layer(middleware::from_fn_with_state(web.clone(), failure::render_errors))
        .with_state(web)
}

//! The action API: `/POD/?action=…`, POD's public contract since its first version, kept exactly.
//!
//! One file per group of actions. Nothing here decides anything about executions or workers: it translates between the
//! old words and [`pod_core::Pod`].

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{Method, header},
    response::{IntoResponse, Response},
};

use crate::{
    api::{
        body::read_body,
        problem::{Problem, ProblemKind},
        request::idempotency_key,
    },
    auth::login,
    serve::app::App,
};
use answer::{ActionError, Answer};
use params::Params;

mod activities;
pub(crate) mod answer;
mod confirmation;
mod executions;
mod full_result;
mod legacy_status;
mod listing;
mod logs;
mod objects;
pub(crate) mod params;
mod policies;
mod workers;

/// The largest form: an input of 1 MiB, each byte of which takes three where it is encoded, and what goes with it.
const MAX_FORM: usize = 4 << 20;

const WELCOME: &str = "Welcome to Processing On Demand";

/// Every action that changes something. `getExecutionStatus` does: it consumes a result.
const CHANGING: &[&str] = &[
    "newActivity",
    "deleteActivity",
    "newExecution",
    "getExecutionStatus",
    "terminateExecution",
    "newPolicy",
    "applyPolicy",
    "deletePolicy",
    "resetPolicies",
];

/// Whether this path may speak the action API.
pub(crate) fn is_action_path(path: &str) -> bool {
    matches!(path, "/POD" | "/POD/" | "/")
}

/// Whether the action in this query changes something. A query that cannot be understood might.
pub(crate) fn changes(query: &str) -> bool {
    match Params::parse(query.as_bytes(), &[]) {
        Ok(params) => params.get("action").is_some_and(|action| CHANGING.contains(&action)),
        Err(_) => true,
    }
}

/// `/POD` and `/POD/`: an action, or the welcome.
pub(crate) async fn at_pod(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request, DefaultAnswer::Welcome).await
}

/// `/`: an action where one is named; else a browser gets the dashboard, and anyone else the welcome.
pub(crate) async fn at_root(State(app): State<Arc<App>>, request: Request) -> Response {
    let names_action = request.uri().query().is_some_and(|query| query.contains("action"));
    if request.method() == Method::GET && !names_action && login::wants_page(request.headers()) {
        return pod_web::index(&app.web, request.uri(), request.headers()).await;
    }
    respond(&app, request, DefaultAnswer::Root).await
}

/// The page that asks whether to do what the address of a request would do.
pub(crate) fn ask(app: &App, request: &Request) -> Response {
    let uri = request.uri();
    match Params::parse(uri.query().unwrap_or_default().as_bytes(), &[]) {
        Ok(params) => {
            let question = confirmation::of(params.get("action").unwrap_or_default(), &params, uri.path());
            pod_web::ask(&app.web, uri, request.headers(), question)
        }
        Err(error) => ActionError::from(error).into_response(),
    }
}

/// What a request without `action` gets.
#[derive(Clone, Copy)]
enum DefaultAnswer {
    Welcome,
    Root,
}

async fn respond(app: &App, request: Request, default_answer: DefaultAnswer) -> Response {
    let method = request.method().clone();
    let query = request.uri().query().unwrap_or_default().to_owned();
    // A browser that sends a form and shows the answer: the form has to be one of ours.
    let form_of =
        (method == Method::POST && pod_web::origin::navigates(request.headers())).then(|| request.headers().clone());
    let key = idempotency_key(request.headers());
    if !matches!(method, Method::GET | Method::POST) {
        return method_not_allowed();
    }
    let body = match form(request).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let params = match Params::parse(query.as_bytes(), &body) {
        Ok(params) => params,
        Err(error) => return ActionError::from(error).into_response(),
    };
    if let Some(headers) = form_of
        && !app.web.made_form(&headers, params.get(confirmation::FORM).unwrap_or_default())
    {
        let detail = "This form was not made by a page of this manager; open the address anew";
        return answer::refusal(&Problem::new(ProblemKind::CrossSite, detail));
    }
    match (params.get("action"), default_answer) {
        (Some(action), _) => match key {
            Ok(key) => perform(app, action, &params, key).await.unwrap_or_else(IntoResponse::into_response),
            Err(problem) => answer::refusal(&problem),
        },
        (None, DefaultAnswer::Root) if method == Method::POST => method_not_allowed(),
        (None, _) => WELCOME.into_response(),
    }
}

/// The form in the body, if there is one: other kinds of body are not looked at.
async fn form(request: Request) -> Result<bytes::Bytes, ActionError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_form =
        kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let body = read_body(request, MAX_FORM).await?;
    Ok(if is_form { body } else { bytes::Bytes::new() })
}

fn method_not_allowed() -> Response {
    let problem = Problem::new(ProblemKind::MethodNotAllowed, "The action API takes GET and POST");
    let mut response = answer::refusal(&problem);
    response.headers_mut().insert(header::ALLOW, axum::http::HeaderValue::from_static("GET, POST"));
    response
}

async fn perform(app: &App, action: &str, params: &Params<'_>, key: Option<String>) -> Answer {
    match action {
        "newActivity" => activities::create(app, params).await,
        "getActivityStatus" => activities::show(app, params).await,
        "deleteActivity" => activities::delete(app, params).await,
        "newExecution" => executions::create(app, params, key).await,
        "getExecutionStatus" => executions::show(app, params).await,
        "terminateExecution" => executions::terminate(app, params).await,
        "getAllExecutions" => listing::all(app).await,
        "getWorkers" => workers::list(app).await,
        "newPolicy" => policies::create(app, params).await,
        "applyPolicy" => policies::apply(app, params).await,
        "deletePolicy" => policies::delete(app, params).await,
        "getPolicies" => policies::list(app).await,
        "getActivePolicy" => policies::active(app).await,
        "resetPolicies" => policies::reset(app).await,
        "logs" => logs::show(app, params).await,
        _ => Err(ActionError::sentence("this manager doesn't recognize that request")),
    }
}

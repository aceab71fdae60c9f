//! The OpenAPI document: derived from the handlers, and finished in one place. Its committed copy is `openapi.json` beside this crate's manifest.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use utoipa::OpenApi;

use super::{
    activities, bulk, changing::Nothing, events, executions, objects::EventObject, output, output_events, overview,
    policies, problem, request::StrictQuery, revisions, workers,
};
use crate::serve::app::App;

pub(super) mod bodies;
pub(super) mod enums;
mod finish;
mod requests;
pub(super) mod streams;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "POD, Processing On Demand",
        version = "1",
        description = "Runs your code on demand. JSON with camelCase members, RFC 3339 times and integer ids; errors \
                       are RFC 9457 problems with a stable type; lists are pages with items and next. Where the \
                       manager has a token, every request shows it as a Bearer token. A member that is absent is left out \
                       of answers, and never null there; a new member may come at any time.",
        contact(name = "POD"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/api/v1", description = "The manager that answered with this document")),
    tags(
        (name = "activities", description = "What can be run, its revisions and where they are installed"),
        (name = "executions", description = "Runs of activities: started, followed, ended, run again"),
        (name = "workers", description = "Where executions run"),
        (name = "policies", description = "How the fleet of workers grows and shrinks"),
        (name = "events", description = "What happens, as it happens"),
        (name = "overview", description = "Everything in numbers"),
    ),
    components(schemas(
        problem::ProblemBody, EventObject, output_events::OutputPiece, output_events::OutputGap,
        output_events::OutputAttempt, output_events::OutputError,
    )),
    paths(
        activities::create, activities::list, activities::show, activities::put, activities::delete,
        activities::install_log,
        revisions::list, revisions::show, revisions::register,
        executions::create, executions::create_batch, executions::list, executions::show, executions::terminate,
        executions::retry, executions::explain,
        bulk::terminate, bulk::retry,
        output::show,
        workers::list, workers::show, workers::drain,
        policies::create, policies::list, policies::show, policies::put, policies::delete, policies::apply, policies::decisions,
        events::follow,
        overview::show,
    )
)]
struct Document;

/// The document as text, made once.
pub(super) fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| text(""))
}

/// The document of a manager that is below that path.
fn text(base_path: &str) -> String {
    let mut document = Document::openapi();
    for server in document.servers.iter_mut().flatten() {
        server.url.insert_str(0, base_path);
    }
    let mut document =
        serde_json::to_value(document).unwrap_or_else(|error| unreachable!("the document is JSON: {error}"));
    finish::finish(&mut document);
    format!("{document:#}")
}

pub(super) async fn show(State(app): State<Arc<App>>, _: StrictQuery<Nothing>) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    if app.base_path.as_str().is_empty() {
        return (kind, document()).into_response();
    }
    // Below the path of a proxy, that is where its operations are.
    (kind, text(app.base_path.as_str())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> serde_json::Value {
        serde_json::from_str(document()).unwrap()
    }

    /// The members of schemas, each with the names of both.
    fn members(document: &serde_json::Value) -> impl Iterator<Item = (&str, &str, &serde_json::Value)> {
        let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
        schemas.flat_map(|(schema, shape)| {
            let members = shape["properties"].as_object().into_iter().flatten();
            members.map(move |(name, member)| (schema.as_str(), name.as_str(), member))
        })
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_and_names_its_statuses() {
        let document = whole();
        let paths = document["paths"].as_object().unwrap();
        let operations: Vec<_> = paths.values().flat_map(|item| item.as_object().unwrap().values()).collect();
        let ids: std::collections::BTreeSet<_> =
            operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), operations.len());
        for operation in operations {
            for status in ["401", "403", "422", "429", "500", "503"] {
                assert!(operation["responses"][status]["$ref"].is_string(), "{status} of {operation:#}");
            }
            assert!(operation["summary"].is_string() && operation["description"].is_string(), "{operation:#}");
        }
    }

    /// Generators name the shape of a member that has none after both; that must not be the name of another.
    #[test]
    fn no_member_passes_for_a_schema() {
        let document = whole();
        for (schema, name, member) in members(&document).filter(|(_, _, member)| member["type"] == "object") {
            let (first, rest) = name.split_at(1);
            let made = format!("{schema}{}{rest}", first.to_uppercase());
            assert!(document["components"]["schemas"][&made].is_null(), "{made}: {member:#}");
        }
    }

    #[test]
    fn moments_are_moments_and_no_answer_is_null() {
        let document = whole();
        for (schema, name, member) in members(&document).filter(|(_, name, _)| name.ends_with("At") || *name == "at") {
            assert_eq!(member["format"], "date-time", "{schema}.{name}");
        }
        for schema in ["Activity", "Execution", "Worker", "Event", "Overview", "Policy", "Problem", "ExecutionPage"] {
            let shape = document["components"]["schemas"][schema].to_string();
            assert!(!shape.contains("\"null\""), "{shape}");
        }
        assert_eq!(document["components"]["schemas"]["ExecutionStatus"]["enum"].as_array().map(Vec::len), Some(6));
    }

    /// `UPDATE_OPENAPI=1 cargo test -p pod-server openapi` writes the copy anew.
    #[test]
    fn the_committed_copy_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, format!("{}\n", document())).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed.trim_end() == document(),
            "openapi.json is not what the code says; write it anew with UPDATE_OPENAPI=1 and look at the difference"
        );
    }
}

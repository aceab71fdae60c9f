//! `logs`: the manager's set-up log, its effective configuration, and its own log.

use serde_json::json;

use super::{
    answer::{ActionError, Answer, answer},
    params::Params,
};
use crate::serve::app::App;

pub(super) async fn show(app: &App, params: &Params<'_>) -> Answer {
    let log = match params.need("type")? {
        "setup" => app.logs.setup(),
        "properties" => app.logs.properties(),
        "server" => app.logs.server().await,
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(ActionError::sentence(format!(
                "There is no log of type {other:?}. The types are setup, properties and server"
            )));
        }
    };
    Ok(answer(&json!({ "filename": log.filename, "contents": log.lines })))
}

//! Parameters that many requests share: idempotency keys, conditions, cursors, and blank values.

use serde_json::{Value, json};

use super::super::changing::MAX_CONDITION_LEN;

/// What has a version, which `ETag` tells.
const VERSIONED: [&str; 2] = ["/activities/{name}", "/policies/{name}"];
/// Requests that change an object with a version also take conditions.
const CONDITIONAL: [&str; 3] = [VERSIONED[0], VERSIONED[1], "/policies/{name}/apply"];
/// Parameters of lists that mean nothing while they are blank, as a form sends them.
const MAY_BE_BLANK: [&str; 3] = ["status", "submittedAfter", "submittedBefore"];

/// Whether a request takes a condition on what it changes.
pub(super) fn is_conditional(path: &str, method: &str) -> bool {
    method != "get" && CONDITIONAL.contains(&path)
}

/// Completes the parameters of an operation, and the headers of its answers.
pub(super) fn complete(path: &str, method: &str, operation: &mut Value) {
    let mut parameters = match operation.get_mut("parameters").map(Value::take) {
        Some(Value::Array(parameters)) => parameters,
        _ => Vec::new(),
    };
    for parameter in &mut parameters {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        let schema = &mut parameter["schema"];
        if name == "cursor" {
            schema["pattern"] = cursors(path, method).into();
        } else if method == "get" && MAY_BE_BLANK.contains(&name.as_str()) {
            *schema = json!({"anyOf": [schema.take(), {"type": "string", "const": ""}]});
        }
    }
    if method != "get" && !parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key") {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Makes the request repeatable: sent again with the same key, it is done once",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*[!-~][ -~]*$"},
        }));
    }
    if is_conditional(path, method) {
        for (name, description) in [
            ("If-Match", "Only if it still has this `ETag`, or is there at all (`*`)"),
            // A resource that is deleted or applied exists in any case.
            ("If-None-Match", "Only if it has none of these `ETag`s, or is not there yet (`*`)"),
        ]
        .into_iter()
        .filter(|(name, _)| *name == "If-Match" || method == "put")
        {
            parameters.push(json!({
                "name": name, "in": "header", "required": false, "description": description,
                "schema": {
                    "type": "string", "minLength": 1, "maxLength": MAX_CONDITION_LEN, "pattern": "^([*]|\"[!#-~]+\")$",
                },
            }));
        }
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if VERSIONED.contains(&path) && method != "delete" {
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            if status.starts_with('2') {
                response["headers"]["ETag"] = json!({
                    "description": "Its version, for `If-Match`.", "schema": {"type": "string"},
                });
            }
        }
    }
}

/// The cursors of a list: each is told from those of other lists. While it is only read, blank is the first page.
fn cursors(path: &str, method: &str) -> String {
    let list = path.split('/').nth(1).unwrap_or_default();
    let list = list.rsplit('-').next().unwrap_or_default();
    let place = if list == "activities" { ".+" } else { "(0|[1-9][0-9]{0,17})" };
    let blank = if method == "get" { "^$|" } else { "" };
    format!("{blank}^{list}\\.{place}$")
}

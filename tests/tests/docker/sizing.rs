//! The size of a fleet, by a policy.

use serde_json::json;

use crate::client;

/// Makes it a fleet of so many workers, and has it kept so.
pub(crate) fn size_fleet(url: &str, count: usize) {
    let name = format!("fixed-{count}");
    client::post(url, "/api/v1/policies", &json!({ "name": name, "rules": { "fixedWorkers": count } }));
    client::post(url, &format!("/api/v1/policies/{name}/apply"), &json!({}));
}

//! What variables of activities hold is shown nowhere, and stays where what is shown is sent back.

use serde_json::{Value, json};

use crate::server::Server;

const SECRET: &str = "xyzzy-7f3a-secret";
const PRINT: &str = "echo 'echo \"$KEY/$OTHER\"' > main.sh";

async fn printed(server: &Server) -> String {
    let id = server.submitted("a", None).await;
    server.ended(id).await;
    server.get(&format!("/api/v1/executions/{id}/output?stream=stdout")).await.text().await.unwrap()
}

async fn put(server: &Server, body: Value) -> (u16, Value) {
    server.api("PUT", "/activities/a", Some(body)).await
}

#[tokio::test]
async fn no_answer_and_no_page_shows_a_value() {
    let server = Server::start().await;
    const QUIET: &str = "echo 'true' > main.sh";
    let body = json!({ "script": QUIET, "env": { "KEY": SECRET, "OTHER": SECRET } });
    let made = put(&server, body).await.1;
    assert_eq!(made["env"], json!({ "KEY": { "masked": true }, "OTHER": { "masked": true } }));
    server.status_becomes("a", "approved").await;
    put(&server, json!({ "script": format!("{QUIET}\n"), "env": { "KEY": SECRET } })).await;
    server.eventually(async || (server.api("GET", "/activities/a", None).await.1["revision"] == 2).then_some(())).await;
    let id = server.submitted("a", None).await;
    server.ended(id).await;
    for path in [
        "/api/v1/activities",
        "/api/v1/activities/a",
        "/api/v1/executions/1",
        "/api/v1/executions/1/explain",
        "/api/v1/overview",
        "/POD/?action=getActivityStatus&name=a",
        "/POD/?action=logs&type=properties",
        "/POD/?action=logs&type=server",
        "/POD/?action=logs&type=setup",
        "/activities",
        "/activities/a",
        "/activities/a/edit",
        "/activities/a/revisions/1",
        "/activities/a/revisions/2?against=1",
        "/activities/a/installations/1",
        "/executions/1",
        "/events",
    ] {
        let answer = server.request("GET", path).header("accept", "text/html,application/json").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(!answer.text().await.unwrap().contains(SECRET), "{path}");
    }
    let deleted = server.api("DELETE", "/activities/a", None).await.1;
    assert!(deleted.to_string().contains("masked") && !deleted.to_string().contains(SECRET), "{deleted}");
}

#[tokio::test]
async fn what_was_shown_can_be_sent_back() {
    let server = Server::start().await;
    put(&server, json!({ "script": PRINT, "env": { "KEY": "one", "OTHER": "two" } })).await;
    let shown = server.status_becomes("a", "approved").await;
    let (_, same) = put(&server, json!({ "script": PRINT, "env": shown["env"] })).await;
    assert_eq!(same["latestRevision"], 1, "nothing changes: {same}");
    assert_eq!(printed(&server).await, "one/two\n");

    let masked = json!({ "masked": true });
    put(&server, json!({ "script": PRINT, "env": { "KEY": masked, "OTHER": "three" } })).await;
    server.eventually(async || (server.api("GET", "/activities/a", None).await.1["revision"] == 2).then_some(())).await;
    assert_eq!(printed(&server).await, "one/three\n");
    // A revision that was rejected does not count: its value never served.
    put(&server, json!({ "script": "exit 1", "env": { "KEY": "bad" } })).await;
    server
        .eventually(async || {
            let (_, shown) = server.api("GET", "/activities/a", None).await;
            shown["errorDescription"].is_string().then_some(())
        })
        .await;
    put(&server, json!({ "script": format!("{PRINT}\n"), "env": { "KEY": masked, "OTHER": masked } })).await;
    server.eventually(async || (server.api("GET", "/activities/a", None).await.1["revision"] == 4).then_some(())).await;
    assert_eq!(printed(&server).await, "one/three\n");
}

#[tokio::test]
async fn a_value_that_is_not_there_cannot_be_kept() {
    let server = Server::start().await;
    let masked = json!({ "script": PRINT, "env": { "NEW": { "masked": true } } });
    let (status, said) = put(&server, masked.clone()).await;
    assert!(status == 422 && said["detail"].as_str().unwrap().contains("NEW"), "{said}");
    put(&server, json!({ "script": PRINT, "env": { "KEY": "one" } })).await;
    assert_eq!(put(&server, masked.clone()).await.0, 422);
    let mut named = masked;
    named["name"] = "b".into();
    assert_eq!(server.api("POST", "/activities", Some(named)).await.0, 422);
    for wrong in [json!({ "masked": false }), json!({}), json!(5), json!({ "masked": true, "x": 1 }), Value::Null] {
        let (status, said) = put(&server, json!({ "script": PRINT, "env": { "KEY": wrong } })).await;
        assert_eq!(status, 422, "{said}");
    }
}

#[tokio::test]
async fn a_form_that_is_sent_back_keeps_the_values() {
    let server = Server::start().await;
    put(&server, json!({ "script": PRINT, "env": { "KEY": "one", "OTHER": "two" } })).await;
    server.status_becomes("a", "approved").await;
    let edit = server.request("GET", "/activities/a/edit").header("accept", "text/html").send().await.unwrap();
    let text = edit.text().await.unwrap();
    let (_, rest) = text.split_once("<textarea id=\"env\"").unwrap();
    let shown = rest.split_once('>').unwrap().1.split_once("</textarea>").unwrap().0.trim().to_owned();
    let (_, rest) = text.split_once("name=\"form\" value=\"").unwrap();
    let form = rest.split('"').next().unwrap();
    let send = |script: &str, env: &str| {
        let fields = [("form", form), ("source", "script"), ("script", script), ("env", env)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = server.request("POST", "/activities/a/edit");
        request.header("content-type", "application/x-www-form-urlencoded").body(body).send()
    };
    assert_eq!(send(&format!("{PRINT}\n# changed\n"), &shown).await.unwrap().status(), 303);
    server.eventually(async || (server.api("GET", "/activities/a", None).await.1["revision"] == 2).then_some(())).await;
    assert_eq!(printed(&server).await, "one/two\n");
    let wrong = send(PRINT, &shown.replace("KEY", "NEW")).await.unwrap();
    assert_eq!(wrong.status(), 422);
    assert!(wrong.text().await.unwrap().contains("NEW has no value"));
}

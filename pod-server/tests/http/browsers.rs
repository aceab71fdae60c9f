//! What a browser may make a manager do: nothing by itself. Who goes to an address that would change something is asked.

use pod_server::config::Secret;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::server::Server;

const MOZILLA: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const RUN: &str = "/POD/?action=newExecution&name=a&input=1%202";

/// A browser that goes to an address, from there.
fn going(request: RequestBuilder, from: &str) -> RequestBuilder {
    request
        .header("user-agent", MOZILLA)
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .header("sec-fetch-site", from)
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
}

async fn executions(server: &Server) -> usize {
    server.api("GET", "/executions", None).await.1["items"].as_array().unwrap().len()
}

/// What the form of a page that asks would send.
async fn form_of(answer: Response) -> Vec<(String, String)> {
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    let text = answer.text().await.unwrap();
    let (_, form) = text.split_once("class=\"question\"").expect("it asks");
    assert!(form.contains("method=\"post\"") && !form.contains("autofocus"), "{form}");
    let fields = form.split("<input type=\"hidden\" name=\"").skip(1);
    fields
        .map(|field| {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            (name.to_owned(), rest.split('"').next().unwrap().to_owned())
        })
        .collect()
}

fn filled(request: RequestBuilder, fields: &[(String, String)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

#[tokio::test]
async fn who_opens_an_address_that_would_change_something_is_asked_first() {
    let server = Server::start().await;
    server.approved("a", "echo 'exit 0' > main.sh").await;
    for from in ["none", "cross-site", "same-site", "same-origin"] {
        for path in [
            RUN,
            "/?action=newExecution&name=a",
            "/POD?action=resetPolicies",
            "/POD/?action=getExecutionStatus&executionId=1",
            "/POD/?action=newActivity&name=evil&installationScriptLocation=http://127.0.0.1:1/x",
            "/POD/?action=deleteActivity&name=a",
        ] {
            form_of(going(server.request("GET", path), from).send().await.unwrap()).await;
        }
    }
    assert_eq!(executions(&server).await, 0, "being asked starts nothing");

    let own = server.origin();
    let fields = form_of(going(server.request("GET", RUN), "none").send().await.unwrap()).await;
    assert!(fields.contains(&("input".to_owned(), "1 2".to_owned())), "{fields:?}");
    let post = || going(server.request("POST", "/POD/"), "same-origin").header("origin", &own);
    let forged: Vec<_> = fields.iter().filter(|(name, _)| name != "form").cloned().collect();
    for wrong in [&forged[..], &[&forged[..], &[("form".to_owned(), "0".repeat(32))]].concat()] {
        assert_eq!(filled(post(), wrong).send().await.unwrap().status(), 403);
    }
    assert_eq!(executions(&server).await, 0, "only a form of ours does");
    let done: Value = filled(post(), &fields).send().await.unwrap().json().await.unwrap();
    assert_eq!(done["execution"]["stdin"], "1 2", "{done}");
    assert_eq!(executions(&server).await, 1);
    // Reading needs no question.
    let read = going(server.request("GET", "/POD/?action=getWorkers"), "cross-site").send().await.unwrap();
    assert!(read.json::<Value>().await.unwrap()["workers"].is_array());
}

#[tokio::test]
async fn a_session_does_not_make_an_address_do_more() {
    let server = Server::with(|config| config.token = Some(Secret::new("s3cret"))).await;
    server.approved("a", "echo 'exit 0' > main.sh").await;
    let asked = going(server.anonymous("GET", RUN), "none").send().await.unwrap();
    assert_eq!(asked.status(), 401, "first of all one signs in");
    let cookie = crate::sessions::signed_in(&server, "s3cret").await;
    let with_cookie = |method: &str, path: &str| server.anonymous(method, path).header("cookie", &cookie);
    let fields = form_of(going(with_cookie("GET", RUN), "cross-site").send().await.unwrap()).await;
    // The token of a form is that of its session.
    let other = crate::sessions::signed_in(&server, "s3cret").await;
    let post = |cookie: &str| {
        let request = server.anonymous("POST", "/POD/").header("cookie", cookie);
        filled(going(request, "same-origin"), &fields).send()
    };
    assert_eq!(post(&other).await.unwrap().status(), 403);
    assert_eq!(executions(&server).await, 0);
    assert_eq!(post(&cookie).await.unwrap().status(), 200);
    assert_eq!(executions(&server).await, 1);
    // A script of ours that would do it by GET may not either.
    let fetched = with_cookie("GET", RUN).header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "cors");
    assert_eq!(fetched.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_browser_that_says_nothing_changes_nothing() {
    let server = Server::start().await;
    server.approved("a", "echo 'exit 0' > main.sh").await;
    let own = server.origin();
    let body = "{\"activity\":\"a\"}";
    for (method, path, kind) in [
        ("GET", RUN, ""),
        ("POST", RUN, ""),
        ("POST", RUN, "application/x-www-form-urlencoded"),
        ("POST", "/api/v1/executions", "application/json"),
        ("POST", "/api/v1/executions", "text/plain"),
        ("POST", "/api/v1/executions", "application/x-www-form-urlencoded"),
        ("POST", "/api/v1/executions", ""),
        ("DELETE", "/api/v1/activities/a", ""),
        ("PUT", "/api/v1/activities/a", "application/json"),
    ] {
        for origin in [None, Some(own.as_str()), Some("null"), Some("http://evil.example")] {
            let mut request = server.request(method, path).header("user-agent", MOZILLA);
            request = if kind.is_empty() { request } else { request.header("content-type", kind) };
            request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
            let answer = request.body(if method == "GET" { "" } else { body }).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{method} {path} {kind} {origin:?}");
        }
    }
    assert_eq!(executions(&server).await, 0);
    // With the token that a page cannot know, and a page of ours.
    let with_token = server.request("GET", RUN).header("user-agent", MOZILLA).bearer_auth("any, none is asked for");
    assert_eq!(with_token.send().await.unwrap().status(), 200);
    let ours = server.request("POST", "/api/v1/executions").header("user-agent", MOZILLA);
    let ours = ours.header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "cors").header("origin", &own);
    assert_eq!(ours.json(&json!({ "activity": "a" })).send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_name_that_is_not_of_this_machine_needs_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = pod_server::config::Config::in_directory(directory.path());
    config.listen = "127.0.0.1:0".to_owned();
    config.allow_hosts = vec!["localhost".to_owned(), "pod.lan".to_owned()];
    let refused = crate::server::start(&config).await.unwrap_err().to_string();
    assert!(refused.contains("pod.lan") && refused.contains("POD_TOKEN"), "{refused}");
    config.allow_hosts.pop();
    crate::server::start(&config).await.expect("that is what it answers to anyway").stop().await;

    let server = Server::start().await;
    let named = server.request("GET", "/POD/").header("host", "pod.lan").send().await.unwrap();
    assert_eq!(named.status(), 403);
    let said: Value = named.json().await.unwrap();
    assert!(said["error"].as_str().unwrap().contains("POD_TOKEN"), "{said}");
}

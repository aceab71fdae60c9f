//! What a request holds that POD does not know is refused, and nothing is done: on every route there is.

use std::collections::BTreeSet;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::server::{Server, encoded, problem};

/// The routes of the API as its router has them, with their methods.
fn routes() -> BTreeSet<(String, String)> {
    let source = include_str!("../../src/api/mod.rs");
    let lines = source.lines().map(str::trim).filter_map(|line| line.strip_prefix(".route(\""));
    lines
        .flat_map(|line| {
            let (path, handlers) = line.split_once('"').unwrap();
            let methods = ["get(", "post(", "put(", "delete(", "patch("].into_iter();
            let there = methods.filter(|method| handlers.contains(*method));
            there.map(|method| (path.to_owned(), method.trim_end_matches('(').to_uppercase())).collect::<Vec<_>>()
        })
        .collect()
}

fn form(request: RequestBuilder) -> RequestBuilder {
    request.header("content-type", "application/x-www-form-urlencoded").body("activity=there")
}

/// What a route takes, so that nothing but the junk is wrong with a request.
fn body_of(method: &str, path: &str) -> Option<Value> {
    match (method, path) {
        ("POST", "/activities") => Some(json!({ "name": "junk", "script": "x" })),
        ("PUT", "/activities/{name}") | ("POST", "/activities/{name}/revisions") => Some(json!({ "script": "y" })),
        ("POST", "/executions") => Some(json!({ "activity": "there" })),
        ("POST", "/executions/batch") => Some(json!({ "activity": "there", "inputs": [null] })),
        ("POST", "/policies") => Some(json!({ "name": "junk", "rules": { "fixedWorkers": 3 } })),
        ("PUT", "/policies/{name}") => Some(json!({ "rules": { "fixedWorkers": 3 } })),
        _ => None,
    }
}

/// A manager with something of everything, and the paths of its routes.
struct There {
    server: Server,
    id: u64,
}

impl There {
    async fn start() -> Self {
        let server = Server::start().await;
        server.approved("there", "echo 'echo hi' > main.sh").await;
        let (status, _) = server.api("PUT", "/policies/there", Some(json!({ "rules": { "fixedWorkers": 2 } }))).await;
        assert_eq!(status, 201);
        let id = server.submitted("there", None).await;
        server.ended(id).await;
        Self { server, id }
    }

    fn path(&self, route: &str) -> String {
        let id = if route.starts_with("/workers") { 1 } else { self.id };
        let path = route.replace("{name}", "there").replace("{id}", &id.to_string());
        let path = path.replace("{revision}", "1").replace("{worker}", "1");
        match path.as_str() {
            "/executions/terminate" | "/executions/retry" => format!("{path}?activity=there&status=finished"),
            _ => path,
        }
    }

    /// A request in which nothing is wrong.
    fn request(&self, method: &str, route: &str, more: &str) -> RequestBuilder {
        let path = self.path(route);
        let more = if more.is_empty() {
            String::new()
        } else {
            format!("{}{more}", if path.contains('?') { '&' } else { '?' })
        };
        let request = self.server.request(method, &format!("/api/v1{path}{more}"));
        match body_of(method, route) {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    /// Everything that a request could have changed.
    async fn everything(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for list in ["/activities", "/activities/there/revisions", "/executions", "/policies"] {
            let (_, mut page) = self.server.api("GET", list, None).await;
            // What becomes of the fleet by itself is no matter.
            for item in page["items"].as_array_mut().unwrap() {
                for member in ["installations", "expectedDurationMillis"] {
                    item.as_object_mut().unwrap().remove(member);
                }
            }
            all.push(page);
        }
        let (_, workers) = self.server.api("GET", "/workers", None).await;
        let draining = |worker: &Value| ["draining", "gone"].contains(&worker["status"].as_str().unwrap());
        all.push(json!(workers["items"].as_array().unwrap().iter().any(draining)));
        all
    }
}

#[tokio::test]
async fn every_route_is_in_the_document() {
    let server = Server::start().await;
    let (_, document) = server.api("GET", "/openapi.json", None).await;
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        described.extend(methods.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase())));
    }
    let mut routes = routes();
    routes.remove(&("/openapi.json".to_owned(), "GET".to_owned()));
    described.remove(&("/openapi.json".to_owned(), "GET".to_owned()));
    assert_eq!(routes, described);
}

#[tokio::test]
async fn every_changing_route_refuses_what_it_does_not_know() {
    let there = There::start().await;
    let before = there.everything().await;
    let mut count = 0;
    for (route, method) in routes().iter().filter(|(_, method)| method != "GET") {
        count += 1;
        let fine = || there.request(method, route, "");
        let mut junk = vec![
            ("an unknown parameter", there.request(method, route, "dryRun=true")),
            ("a blank parameter", there.request(method, route, "dryRun=")),
            ("an unknown header of ours", fine().header("Pod-Dry-Run", "true")),
            ("a part of a body", fine().header("content-range", "bytes 0-1/2")),
            ("an encoding", fine().header("content-encoding", "gzip")),
            ("a time", fine().header("if-modified-since", "Tue, 24 Nov 2026 14:05:00 GMT")),
            ("a time", fine().header("if-unmodified-since", "Tue, 24 Nov 2020 14:05:00 GMT")),
            ("no condition", fine().header("if-match", "nonsense")),
            ("two conditions", fine().header("if-match", "*").header("if-match", "*")),
            ("a blank key", fine().header("idempotency-key", " ")),
            ("two keys", fine().header("idempotency-key", "a").header("idempotency-key", "b")),
            ("two types", fine().header("content-type", "application/json").header("content-type", "text/plain")),
            ("another method", fine().header("x-http-method-override", "GET")),
        ];
        match body_of(method, route) {
            Some(mut body) => {
                let anew = || there.server.request(method, &format!("/api/v1{}", there.path(route)));
                let as_json = || anew().header("content-type", "application/json");
                let text = body.to_string();
                let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                junk.push(("UTF-16", as_json().body(utf16)));
                junk.push(("a byte order mark", as_json().body(format!("\u{feff}{text}"))));
                junk.push(("a charset", anew().header("content-type", "application/json; charset=utf-16").body(text)));
                junk.push(("a form", form(anew())));
                body["dryRun"] = true.into();
                junk.push(("an unknown member", anew().json(&body)));
            }
            None => {
                junk.push(("a member", fine().json(&json!({ "dryRun": true }))));
                junk.push(("a form", form(fine())));
                junk.push(("a body that is no JSON", fine().body("activity=there")));
            }
        }
        if !["PUT", "DELETE"].contains(&method.as_str()) && !route.ends_with("/apply") {
            junk.push(("a condition", fine().header("if-match", "*")));
            junk.push(("a condition", fine().header("if-none-match", "*")));
        }
        for (what, request) in junk {
            let said = problem(request.send().await.unwrap(), &format!("{method} {route}: {what}")).await;
            assert!([415, 422].contains(&said.status), "{method} {route} with {what}: {} {}", said.status, said.detail);
        }
    }
    assert!(count >= 15, "{count} routes change something");
    assert_eq!(there.everything().await, before, "nothing was done");
}

#[tokio::test]
async fn every_reading_route_refuses_parameters_it_does_not_know() {
    let there = There::start().await;
    for (route, _) in routes().iter().filter(|(_, method)| method == "GET") {
        let request = there.request("GET", route, "dryRun=true");
        let said = problem(request.send().await.unwrap(), route).await;
        assert_eq!(said.status, 422, "{route}: {}", said.detail);
    }
}

#[tokio::test]
async fn a_blank_filter_never_means_everything() {
    let server = Server::start().await;
    server.approved("hold", "echo 'sleep 60' > main.sh").await;
    let id = server.submitted("hold", None).await;
    let blanks = ["", " ", "\t", "\n", "\0", "\u{a0}", "\u{3000}", "\u{200b}", "\u{2060}", "\u{feff}", "\u{2800}"];
    for act in ["terminate", "retry"] {
        for blank in blanks.map(encoded) {
            for query in [
                format!("activity={blank}"),
                format!("activity={blank}&status=waiting"),
                format!("status={blank}&activity=hold"),
                format!("submittedAfter={blank}&activity=hold"),
                format!("submittedBefore={blank}&activity=hold"),
                format!("activity=hold&cursor=+{blank}"),
                format!("activity=hold&limit={blank}"),
            ] {
                let request = server.request("POST", &format!("/api/v1/executions/{act}?{query}"));
                let said = problem(request.send().await.unwrap(), &query).await;
                assert_eq!(said.status, 422, "{query}: {}", said.detail);
            }
        }
        let nothing = server.request("POST", &format!("/api/v1/executions/{act}"));
        assert_eq!(problem(nothing.send().await.unwrap(), act).await.status, 422);
        let twice = server.request("POST", &format!("/api/v1/executions/{act}?activity=none&activity=hold"));
        assert_eq!(problem(twice.send().await.unwrap(), act).await.status, 422);
    }
    let (_, execution) = server.api("GET", &format!("/executions/{id}"), None).await;
    assert!(["waiting", "running"].contains(&execution["status"].as_str().unwrap()), "{execution}");
}

#[tokio::test]
async fn a_cursor_is_one_of_its_list() {
    let server = Server::start().await;
    for name in ["a", "b"] {
        server.approved(name, "echo 'echo hi' > main.sh").await;
        server.api("PUT", &format!("/policies/{name}"), Some(json!({ "rules": {} }))).await;
        server.submitted(name, None).await;
    }
    let lists = ["/activities", "/executions", "/policies"];
    let mut cursors = vec!["7".to_owned(), "executions.9223372036854775808".to_owned(), "zzz".to_owned()];
    for list in lists {
        let (_, page) = server.api("GET", &format!("{list}?limit=1"), None).await;
        cursors.push(page["next"].as_str().unwrap_or_else(|| panic!("{list}: {page}")).to_owned());
    }
    for list in lists.into_iter().chain(["/workers", "/scaling-decisions"]) {
        for cursor in &cursors {
            let (status, answer) = server.api("GET", &format!("{list}?cursor={}", encoded(cursor)), None).await;
            let is_own = cursor.starts_with(&format!("{}.", &list[1..])) && !cursor.ends_with("808");
            assert_eq!(status, if is_own { 200 } else { 422 }, "{list} with {cursor}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_place_beyond_what_there_can_be_is_refused() {
    let server = Server::start().await;
    server.approved("there", "echo 'echo hi' > main.sh").await;
    let id = server.submitted("there", None).await;
    for beyond in [1 << 63, u64::MAX] {
        for path in [
            format!("/executions/{id}/output?offset={beyond}"),
            format!("/executions/{id}/output?offset={beyond}&follow=true"),
            format!("/events?after={beyond}"),
        ] {
            let said = problem(server.get(&format!("/api/v1{path}")).await, &path).await;
            assert_eq!(said.status, 422, "{path}: {}", said.detail);
        }
        for (path, place) in
            [("/events".to_owned(), beyond.to_string()), (format!("/executions/{id}/output"), format!("1:0:{beyond}"))]
        {
            let request = server.request("GET", &format!("/api/v1{path}")).header("accept", "text/event-stream");
            let said = problem(request.header("last-event-id", place).send().await.unwrap(), &path).await;
            assert_eq!(said.status, 422, "{path}: {}", said.detail);
        }
    }
    let twice = server.request("GET", "/api/v1/events").header("last-event-id", "1").header("last-event-id", "2");
    assert_eq!(problem(twice.send().await.unwrap(), "two places").await.status, 422);
}

/// What goes with an archive is not taken with JSON, where it would be left out.
#[tokio::test]
async fn what_belongs_to_another_kind_of_body_is_refused() {
    let server = Server::start().await;
    let body = json!({ "script": "echo 'echo hi' > main.sh" });
    let put = |query: &str| server.request("PUT", &format!("/api/v1/activities/a{query}")).json(&body);
    for (what, request) in [("a parameter", put("?retries=3")), ("an environment", put("").header("Pod-Env", "A=b"))] {
        assert_eq!(problem(request.send().await.unwrap(), what).await.status, 422, "{what}");
    }
    assert_eq!(server.get("/api/v1/activities/a").await.status(), 404, "nothing was registered");
    let twice = r#"{"script":"x","env":{"A":"1","A":"2"}}"#;
    let request = server.request("PUT", "/api/v1/activities/a").header("content-type", "application/json").body(twice);
    let said = problem(request.send().await.unwrap(), "a member twice").await;
    assert_eq!((said.status, said.detail.as_str()), (422, "The member A is there twice"));
}

/// The action API leaves out what it does not know, as it always did.
#[tokio::test]
async fn the_action_api_ignores_what_it_does_not_know() {
    let server = Server::start().await;
    server.approved("there", "echo 'echo hi' > main.sh").await;
    let said = server.action("action=newExecution&name=there&dryRun=true&status=").await;
    assert!(said["execution"]["id"].is_u64(), "{said}");
}

//! Requests that are sent again, and changes of what has changed meanwhile.

use reqwest::Response;
use serde_json::{Value, json};

use crate::server::{Server, problem};

async fn sent(server: &Server, method: &str, path: &str, body: Option<&Value>, key: &str) -> (u16, Value) {
    let mut request = server.request(method, &format!("/api/v1{path}")).header("Idempotency-Key", key);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn count(server: &Server) -> usize {
    let (_, list) = server.api("GET", "/executions?limit=1000", None).await;
    list["items"].as_array().unwrap().len()
}

/// A failing activity, five executions of it, all of which have failed.
async fn five_failed(server: &Server) -> Vec<u64> {
    server.approved("bad", "echo 'exit 3' > main.sh").await;
    let batch = json!({ "activity": "bad", "inputs": ["1", "2", "3", "4", "5"] });
    let (status, made) = server.api("POST", "/executions/batch", Some(batch)).await;
    assert_eq!(status, 201, "{made}");
    let ids: Vec<u64> = serde_json::from_value(made["ids"].clone()).unwrap();
    for id in &ids {
        server.ended(*id).await;
    }
    ids
}

#[tokio::test]
async fn a_bulk_retry_that_is_sent_again_answers_the_same_and_does_nothing() {
    let server = Server::start().await;
    five_failed(&server).await;
    let path = "/executions/retry?activity=bad&status=failed";
    let first = sent(&server, "POST", path, None, "nightly").await;
    assert_eq!(first.0, 202, "{}", first.1);
    let again: Vec<u64> = serde_json::from_value(first.1["ids"].clone()).unwrap();
    assert_eq!(again.len(), 5);
    for id in again {
        server.ended(id).await;
    }
    assert_eq!(sent(&server, "POST", path, None, "nightly").await, first);
    for other in [
        ("/executions/retry?activity=bad&status=failed&limit=1", None),
        ("/executions/retry?activity=bad", None),
        ("/executions/terminate?activity=bad&status=failed", None),
        (path, Some(json!({ "revision": "latest" }))),
        ("/executions", Some(json!({ "activity": "bad" }))),
        ("/executions/1/retry", None),
        ("/policies/default/apply", None),
    ] {
        let (status, said) = sent(&server, "POST", other.0, other.1.as_ref(), "nightly").await;
        assert_eq!(
            (status, said["type"].as_str()),
            (409, Some("urn:pod:problem:idempotency-conflict")),
            "{other:?}: {said}"
        );
    }
    assert_eq!(count(&server).await, 10);
    // Also of another manager over the same store.
    let server = server.again().await;
    assert_eq!(sent(&server, "POST", path, None, "nightly").await, first);
    assert_eq!(count(&server).await, 10);
    server.stop().await;
}

#[tokio::test]
async fn the_portions_of_a_bulk_request_share_its_key() {
    let server = Server::start().await;
    five_failed(&server).await;
    let portions = async || {
        let (mut ids, mut cursor) = (Vec::<u64>::new(), String::new());
        loop {
            let path = format!("/executions/retry?activity=bad&status=failed&limit=2{cursor}");
            let (status, portion) = sent(&server, "POST", &path, None, "in portions").await;
            assert_eq!(status, 202, "{portion}");
            ids.extend(serde_json::from_value::<Vec<u64>>(portion["ids"].clone()).unwrap());
            let Some(next) = portion["next"].as_str() else { return ids };
            cursor = format!("&cursor={next}");
        }
    };
    let first = portions().await;
    assert_eq!((first.len(), portions().await), (5, first));
    assert_eq!(count(&server).await, 10);
}

#[tokio::test]
async fn a_bulk_termination_that_is_sent_again_ends_nothing_new() {
    let server = Server::start().await;
    server.approved("hold", "echo 'sleep 60' > main.sh").await;
    server.submitted("hold", None).await;
    let path = "/executions/terminate?activity=hold";
    let first = sent(&server, "POST", path, None, "end").await;
    assert_eq!(first.1["ids"].as_array().unwrap().len(), 1, "{}", first.1);
    let later = server.submitted("hold", None).await;
    assert_eq!(sent(&server, "POST", path, None, "end").await, first);
    let (_, execution) = server.api("GET", &format!("/executions/{later}"), None).await;
    assert!(["waiting", "running"].contains(&execution["status"].as_str().unwrap()), "{execution}");
}

/// A change that is sent again does not undo what others did since.
#[tokio::test]
async fn a_key_holds_for_every_change() {
    let server = Server::start().await;
    server.approved("a", "echo 'echo 1' > main.sh").await;
    let second = json!({ "script": "echo 'echo 2' > main.sh" });
    let third = json!({ "script": "echo 'echo 3' > main.sh" });
    let (_, put) = sent(&server, "PUT", "/activities/a", Some(&second), "put").await;
    assert_eq!(put["latestRevision"], 2, "{put}");
    server.api("PUT", "/activities/a", Some(third)).await;
    let (status, again) = sent(&server, "PUT", "/activities/a", Some(&second), "put").await;
    assert_eq!((status, &again["latestRevision"]), (200, &json!(3)), "the third stays: {again}");

    let made = json!({ "name": "b", "script": "echo 'echo 1' > main.sh" });
    assert_eq!(sent(&server, "POST", "/activities", Some(&made), "make").await.0, 201);
    assert_eq!(sent(&server, "POST", "/activities", Some(&made), "make").await.0, 201, "not: it exists");
    server.status_becomes("b", "approved").await;
    assert_eq!(sent(&server, "DELETE", "/activities/b", None, "gone").await.0, 202);
    server.eventually(async || (server.get("/api/v1/activities/b").await.status() == 404).then_some(())).await;
    server.approved("b", "echo 'echo 2' > main.sh").await;
    assert_eq!(sent(&server, "DELETE", "/activities/b", None, "gone").await.0, 404, "that one is gone");
    assert_eq!(server.get("/api/v1/activities/b").await.status(), 200, "the new one stays");

    let policy = json!({ "name": "p", "rules": { "fixedWorkers": 2 } });
    let first = sent(&server, "POST", "/policies", Some(&policy), "policy").await;
    assert_eq!((first.0, &sent(&server, "POST", "/policies", Some(&policy), "policy").await), (201, &first));
    assert_eq!(sent(&server, "POST", "/policies/p/apply", None, "apply").await.0, 200);
    server.api("POST", "/policies/default/apply", None).await;
    assert_eq!(sent(&server, "POST", "/policies/p/apply", None, "apply").await.0, 200);
    let (_, default) = server.api("GET", "/policies/default", None).await;
    assert_eq!(default["active"], true, "what was applied since stays: {default}");

    let id = server.submitted("a", None).await;
    server.ended(id).await;
    let retry = format!("/executions/{id}/retry");
    let (_, one) = sent(&server, "POST", &retry, None, "again").await;
    assert_eq!(sent(&server, "POST", &retry, None, "again").await.1["id"], one["id"]);
}

fn etag(answer: &Response) -> String {
    answer.headers()["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_change_of_what_has_changed_meanwhile_is_refused() {
    let server = Server::start().await;
    let script = |word: &str| json!({ "script": format!("echo 'echo {word}' > main.sh") });
    let rules = |most: u32| json!({ "rules": { "maxWorkers": most } });
    for (path, bodies, deleted) in [
        ("/api/v1/activities/a", [script("1"), script("2"), script("3")], 202),
        ("/api/v1/policies/p", [rules(1), rules(2), rules(3)], 200),
    ] {
        let put = |body: &Value| server.request("PUT", path).json(body);
        let absent = problem(put(&bodies[0]).header("if-match", "*").send().await.unwrap(), path).await;
        assert_eq!((absent.status, absent.kind.as_str()), (412, "not-as-expected"), "{}", absent.detail);
        let made = put(&bodies[0]).header("if-none-match", "*").send().await.unwrap();
        assert_eq!(made.status(), 201, "{path}");
        let first = etag(&made);
        assert_eq!(etag(&server.get(path).await), first);
        let made = problem(put(&bodies[0]).header("if-none-match", "*").send().await.unwrap(), path).await;
        assert_eq!(made.status, 412, "it is there: {}", made.detail);
        let second = put(&bodies[1]).header("if-match", &first).send().await.unwrap();
        assert_eq!(second.status(), 200, "{path}");
        let second = etag(&second);
        assert_ne!(first, second);
        for stale in [first.clone(), format!("W/{second}"), "\"0\"".to_owned()] {
            let refused = problem(put(&bodies[2]).header("if-match", &stale).send().await.unwrap(), path).await;
            assert_eq!(refused.status, 412, "{path} {stale}: {}", refused.detail);
            let refused = server.request("DELETE", path).header("if-match", &stale);
            assert_eq!(problem(refused.send().await.unwrap(), path).await.status, 412, "{path} {stale}");
        }
        assert_eq!(etag(&server.get(path).await), second, "nothing was changed");
        if path.contains("activities") {
            server.status_becomes("a", "approved").await;
        }
        let either = format!("{first}, {second}");
        let gone = server.request("DELETE", path).header("if-match", either).send().await.unwrap();
        assert_eq!(gone.status(), deleted, "{path}");
    }
}

/// Some clients cannot but send a body: one that says nothing is none.
#[tokio::test]
async fn an_empty_object_is_no_body() {
    let server = Server::start().await;
    for path in ["/policies/default/apply", "/executions/terminate?status=waiting", "/executions/retry?status=failed"] {
        let (status, said) = server.api("POST", path, Some(json!({}))).await;
        assert!([200, 202].contains(&status), "{path}: {said}");
    }
}

/// The one who sends a change again is answered as before, though it is not as expected any more: by the change itself.
#[tokio::test]
async fn a_conditional_change_can_be_sent_again() {
    let server = Server::start().await;
    let rules = json!({ "rules": { "maxWorkers": 3 } });
    for _ in 0..2 {
        let put = server.request("PUT", "/api/v1/policies/p").json(&rules).header("if-none-match", "*");
        let answer = put.header("idempotency-key", "once").send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }
}

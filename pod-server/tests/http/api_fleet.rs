//! Workers, policies, scaling decisions, events, overview, and what monitoring asks for.

use serde_json::{Value, json};

use crate::server::{Server, problem, sse_events};

#[tokio::test]
async fn workers_are_shown_and_drained() {
    let server = Server::start().await;
    let worker = server
        .eventually(async || {
            let (_, workers) = server.api("GET", "/workers", None).await;
            workers["items"].as_array().unwrap().iter().find(|worker| worker["status"] == "ready").cloned()
        })
        .await;
    let id = worker["id"].as_u64().unwrap();
    // Under a policy that needs no worker, so that this one is not wanted again.
    server.api("POST", "/policies", Some(json!({ "name": "any", "rules": { "minWorkers": 0 } }))).await;
    server.api("POST", "/policies/any/apply", None).await;
    assert_eq!((&worker["draining"], &worker["external"]), (&json!(false), &json!(false)), "{worker}");
    assert_eq!(server.api("GET", &format!("/workers/{id}"), None).await.1["id"], id);
    let (status, drained) = server.api("POST", &format!("/workers/{id}/drain"), None).await;
    assert_eq!((status, &drained["id"]), (202, &json!(id)), "{drained}");
    server
        .eventually(async || {
            (server.api("GET", &format!("/workers/{id}"), None).await.1["status"] == "terminated").then_some(())
        })
        .await;
    let (status, said) = server.api("POST", &format!("/workers/{id}/drain"), None).await;
    assert_eq!((status, &said["type"]), (409, &json!("urn:pod:problem:worker-gone")));
}

#[tokio::test]
async fn policies_and_their_decisions() {
    let server = Server::start().await;
    let body = json!({ "name": "two", "rules": { "minWorkers": 2, "maxWorkers": "3" } });
    let (status, made) = server.api("POST", "/policies", Some(body)).await;
    assert_eq!(status, 201);
    assert_eq!(made["rules"], json!({ "minWorkers": "2", "maxWorkers": "3", "maxWait": "60000" }));
    let (_, list) = server.api("GET", "/policies", None).await;
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|policy| policy["name"].clone()).collect();
    assert_eq!(names, ["default", "two"]);
    let (status, applied) = server.api("POST", "/policies/two/apply", None).await;
    assert_eq!((status, &applied["active"]), (200, &json!(true)));
    server
        .eventually(async || {
            let (_, overview) = server.api("GET", "/overview", None).await;
            (overview["workers"]["ready"] == 2 && overview["minWorkers"] == 2).then_some(())
        })
        .await;
    let (_, decisions) = server.api("GET", "/scaling-decisions?limit=1", None).await;
    let newest = &decisions["items"][0];
    assert!(newest["launch"].as_u64().unwrap() >= 1 && !newest["reason"].as_str().unwrap().is_empty(), "{decisions}");
    let put = async |name: &str, body: Value| server.api("PUT", &format!("/policies/{name}"), Some(body)).await;
    let (status, changed) = put("two", json!({ "rules": { "fixedWorkers": 1 } })).await;
    assert_eq!((status, &changed["active"]), (200, &json!(true)), "it stays the active one");
    assert_eq!(changed["rules"], json!({ "fixedWorkers": "1" }));
    server
        .eventually(async || {
            let (_, overview) = server.api("GET", "/overview", None).await;
            (overview["workers"]["ready"] == 1 && overview["maxWorkers"] == 1).then_some(())
        })
        .await;
    let (status, made) = put("three", json!({ "name": "three", "rules": { "fixedWorkers": 3 } })).await;
    assert_eq!((status, &made["active"]), (201, &json!(false)));
    for (name, body, status) in [
        ("default", json!({ "rules": { "fixedWorkers": 3 } }), 409),
        ("two", json!({ "rules": { "fixedWorkers": "many" } }), 422),
        ("two", json!({ "name": "three", "rules": { "fixedWorkers": 1 } }), 422),
        ("two", json!({}), 422),
        ("a b", json!({ "rules": { "fixedWorkers": 1 } }), 422),
    ] {
        let (answered, said) = put(name, body).await;
        assert_eq!(answered, status, "{name}: {said}");
    }
    assert_eq!(server.api("GET", "/policies/two", None).await.1["rules"], json!({ "fixedWorkers": "1" }));
    let (status, _) = server.api("DELETE", "/policies/two", None).await;
    assert_eq!(status, 200);
    assert_eq!(server.api("GET", "/policies/default", None).await.1["active"], true);
}

#[tokio::test]
async fn events_tell_what_happened_and_are_resumed() {
    let server = Server::start().await;
    server.approved("a", "printf 'exit 0\\n' > main.sh").await;
    let (status, _) = server.api("POST", "/policies", Some(json!({ "name": "busy", "rules": {} }))).await;
    assert_eq!(status, 201);
    let id = server.submitted("a", None).await;
    server.ended(id).await;
    let request = server.request("GET", "/api/v1/events?after=0");
    let all = sse_events(request, |event| event.name == "executionEnded").await;
    let seqs: Vec<u64> = all.iter().map(|event| event.id.parse().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    let last = all.last().unwrap();
    assert_eq!((&last.data["execution"], &last.data["kind"]), (&json!(id), &json!("executionEnded")));
    assert!(last.data["at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!((&last.data["message"], last.data.get("code")), (&json!("finished"), None));
    let made = all.iter().find(|event| event.name == "policyChanged").expect("a policy was made");
    assert_eq!(
        (&made.data["message"], &made.data["code"]),
        (&json!("policy busy was made"), &json!("policyMade")),
        "{made:?}"
    );
    for kind in ["activityRegistered", "activityApproved", "executionSubmitted", "workerChanged"] {
        assert!(all.iter().any(|event| event.name == kind), "{kind}");
    }
    let middle = all.len() / 2;
    let request = server.request("GET", "/api/v1/events").header("last-event-id", &all[middle].id);
    let rest = sse_events(request, |event| event.id == last.id).await;
    assert_eq!(rest, all[middle + 1..]);
    let answer = server.request("GET", "/api/v1/events").header("last-event-id", "x").send().await.unwrap();
    assert_eq!(answer.status(), 422);
}

#[tokio::test]
async fn monitoring_gets_its_answers() {
    let server = Server::start().await;
    for (path, part) in [("/healthz", "ok"), ("/readyz", "ready"), ("/metrics", "pod_executions{status=\"waiting\"} 0")]
    {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.text().await.unwrap().contains(part), "{path}");
    }
    let document: Value = server.get("/api/v1/openapi.json").await.json().await.unwrap();
    assert!(document["paths"]["/executions/batch"]["post"].is_object());
}

#[tokio::test]
async fn everything_that_is_documented_is_there() {
    let server = Server::start().await;
    let document: Value = server.get("/api/v1/openapi.json").await.json().await.unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "a").replace("{id}", "1").replace("{worker}", "1");
        for method in operations.as_object().unwrap().keys() {
            let request = server.request(&method.to_uppercase(), &format!("/api/v1{path}"));
            let answer = request.send().await.unwrap();
            if answer.status().is_success() {
                continue;
            }
            let said = problem(answer, &path).await;
            assert!(!["no-such-route", "method-not-allowed"].contains(&said.kind.as_str()), "{method} {path}");
        }
    }
}

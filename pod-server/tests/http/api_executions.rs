//! `/api/v1/executions`, but for their output.

use serde_json::{Value, json};

use crate::server::{Server, problem};

const GREET: &str = "printf '#!/bin/sh\\necho \"hello $1\"; exit \"${1:-0}\"\\n' > main.sh";

#[tokio::test]
async fn an_execution_from_submit_to_end() {
    let server = Server::start().await;
    server.approved("greet", GREET).await;
    let request = server.request("POST", "/api/v1/executions").json(&json!({ "activity": "greet", "input": "4" }));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let made: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/api/v1/executions/{}", made["id"]));
    let (status, ended) = server.api("GET", &format!("/executions/{}?wait=60", made["id"]), None).await;
    assert_eq!(status, 200);
    for (member, value) in [
        ("id", made["id"].clone()),
        ("activity", json!("greet")),
        ("status", json!("failed")),
        ("exitCode", json!(4)),
        ("input", json!("4")),
        ("attempt", json!(1)),
    ] {
        assert_eq!(ended[member], value, "{ended}");
    }
    assert!(ended.get("signal").is_none() && ended.get("reason").is_none() && ended["worker"].is_u64(), "{ended}");
    let moments: Vec<jiff::Timestamp> = ["submittedAt", "startedAt", "finishedAt"]
        .iter()
        .map(|member| ended[member].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(moments.is_sorted(), "{ended}");
}

#[tokio::test]
async fn a_wait_ends_when_its_time_is_up() {
    let server = Server::start().await;
    server.approved("slow", "printf 'sleep 1000\\n' > main.sh").await;
    let id = server.submitted("slow", None).await;
    let (status, shown) = server.api("GET", &format!("/executions/{id}?wait=0.2"), None).await;
    assert_eq!(status, 200);
    assert!(["waiting", "running"].contains(&shown["status"].as_str().unwrap()), "{shown}");
}

#[tokio::test]
async fn the_same_key_and_body_give_the_same_execution() {
    let server = Server::start().await;
    server.approved("greet", GREET).await;
    let submit = async |key: &str, input: &str| {
        let request = server.request("POST", "/api/v1/executions").header("idempotency-key", key);
        request.json(&json!({ "activity": "greet", "input": input })).send().await.unwrap()
    };
    let id = async |answer: reqwest::Response| {
        assert_eq!(answer.status(), 201);
        answer.json::<Value>().await.unwrap()["id"].as_u64().unwrap()
    };
    let first = id(submit("k1", "0").await).await;
    assert_eq!(id(submit("k1", "0").await).await, first);
    server.ended(first).await;
    assert_eq!(id(submit("k1", "0").await).await, first, "also after its end");
    assert_ne!(id(submit("k2", "0").await).await, first);
    let conflict = problem(submit("k1", "1").await, "another body").await;
    assert_eq!((conflict.status, conflict.kind.as_str()), (409, "idempotency-conflict"));
    let empty = problem(submit("", "1").await, "an empty key").await;
    assert_eq!((empty.status, empty.kind.as_str()), (422, "invalid-request"));
    let twins = futures::future::join_all((0..8).map(|_| submit("k3", "0"))).await;
    let ids = futures::future::join_all(twins.into_iter().map(id)).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "simultaneous ones too: {ids:?}");
}

#[tokio::test]
async fn ten_thousand_at_once_in_order() {
    let server = Server::start().await;
    // Not approved: nothing runs, so that the queue can be looked at.
    server.api("POST", "/activities", Some(json!({ "name": "slow", "script": "sleep 1000" }))).await;
    let inputs: Vec<Value> =
        (0..10_000).map(|n| if n == 5 { Value::Null } else { json!(format!("input {n}")) }).collect();
    let body = json!({ "activity": "slow", "inputs": inputs });
    let request = || server.request("POST", "/api/v1/executions/batch").header("idempotency-key", "b").json(&body);
    let answer = request().send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let answer: Value = answer.json().await.unwrap();
    let ids: Vec<u64> = answer["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    assert_eq!(ids.len(), 10_000);
    assert!(ids.is_sorted());
    assert_eq!(
        request().send().await.unwrap().json::<Value>().await.unwrap(),
        answer,
        "repeated, it is the same batch"
    );
    let (_, shown) = server.api("GET", &format!("/executions/{}", ids[7777]), None).await;
    assert_eq!(shown["input"], "input 7777");
    let (_, shown) = server.api("GET", &format!("/executions/{}", ids[5]), None).await;
    assert!(shown.get("input").is_none(), "{shown}");
    let (_, overview) = server.api("GET", "/overview", None).await;
    assert_eq!(overview["executions"]["waiting"], 10_000);
}

#[tokio::test]
async fn executions_are_listed_newest_first_in_pages() {
    let server = Server::start().await;
    server.approved("a", GREET).await;
    server.approved("b", GREET).await;
    let mut ids = Vec::new();
    for (activity, input) in [("a", "0"), ("b", "0"), ("a", "1"), ("a", "0")] {
        ids.push(server.submitted(activity, Some(input)).await);
    }
    for id in &ids {
        server.ended(*id).await;
    }
    let listed = async |query: &str| -> (Vec<u64>, Option<String>) {
        let (status, page) = server.api("GET", &format!("/executions?{query}"), None).await;
        assert_eq!(status, 200, "{page}");
        let ids = page["items"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect();
        (ids, page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(listed("").await, (vec![ids[3], ids[2], ids[1], ids[0]], None));
    assert_eq!(listed("activity=&status=").await.0.len(), 4);
    assert_eq!(listed("activity=b").await.0, [ids[1]]);
    assert_eq!(listed("status=failed").await.0, [ids[2]]);
    assert_eq!(listed("activity=a&status=finished").await.0, [ids[3], ids[0]]);
    let (first, next) = listed("limit=3").await;
    assert_eq!(first, [ids[3], ids[2], ids[1]]);
    assert_eq!(listed(&format!("limit=3&cursor={}", next.unwrap())).await, (vec![ids[0]], None));
}

#[tokio::test]
async fn a_span_of_time_is_listed() {
    let server = Server::start().await;
    server.approved("a", GREET).await;
    let mut moments = Vec::new();
    for _ in 0..3 {
        let id = server.submitted("a", Some("0")).await;
        server.ended(id).await;
        moments.push(
            server.api("GET", &format!("/executions/{id}"), None).await.1["submittedAt"].as_str().unwrap().to_owned(),
        );
    }
    let listed = async |query: &str| -> Vec<u64> {
        let (status, page) = server.api("GET", &format!("/executions?{query}"), None).await;
        assert_eq!(status, 200, "{query}: {page}");
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect()
    };
    let (second, third) = (&moments[1], &moments[2]);
    assert_eq!(listed(&format!("submittedAfter={second}")).await, [3, 2]);
    assert_eq!(listed(&format!("submittedBefore={third}")).await, [2, 1]);
    assert_eq!(listed(&format!("submittedAfter={second}&submittedBefore={third}&status=finished")).await, [2]);
    assert_eq!(listed(&format!("submittedAfter={third}&submittedBefore={second}")).await, [0_u64; 0]);
    assert_eq!(listed("submittedAfter=2999-01-01T00:00:00Z").await, [0_u64; 0]);
    assert_eq!(listed("submittedBefore=1999-01-01T00:00:00%2B01:00").await, [0_u64; 0]);
    assert_eq!(listed("submittedAfter=1999-01-01T00:00:00Z&limit=1").await, [3]);
    for wrong in ["submittedAfter=soon", "submittedBefore=2026-11-24T14:05", "submittedAfter=1"] {
        let said = problem(server.get(&format!("/api/v1/executions?{wrong}")).await, wrong).await;
        assert_eq!((said.status, said.kind.as_str()), (422, "invalid-request"), "{}", said.detail);
        assert!(said.detail.contains("must be an RFC 3339 time"), "{}", said.detail);
    }
}

#[tokio::test]
async fn all_that_match_are_terminated_and_run_again() {
    let server = Server::start().await;
    server.approved("slow", "printf 'sleep 1000\\n' > main.sh").await;
    server.approved("other", "printf 'sleep 1000\\n' > main.sh").await;
    let kept = server.submitted("other", None).await;
    let inputs: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    server.api("POST", "/executions/batch", Some(json!({ "activity": "slow", "inputs": inputs }))).await;
    for everything in ["/executions/terminate", "/executions/retry?limit=5", "/executions/terminate?activity="] {
        let (status, said) = server.api("POST", everything, None).await;
        assert_eq!(status, 422, "{everything}: {said}");
    }
    let (mut ids, mut next) = (Vec::new(), Some(String::new()));
    while let Some(cursor) = next {
        let path = format!("/executions/terminate?activity=slow&limit=12&cursor={cursor}");
        let (status, portion) = server.api("POST", &path, None).await;
        assert_eq!(status, 202, "{portion}");
        ids.extend(portion["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()));
        next = portion["next"].as_str().map(str::to_owned);
    }
    assert_eq!(ids.len(), 30);
    for id in &ids {
        assert_eq!(server.ended(*id).await["status"], "terminated");
    }
    let (_, again) = server.api("POST", "/executions/terminate?activity=slow", None).await;
    assert_eq!(again, json!({ "ids": [], "refused": 0 }), "there is nothing left to do");
    let shown = server.api("GET", &format!("/executions/{kept}"), None).await.1;
    assert!(["waiting", "running"].contains(&shown["status"].as_str().unwrap()), "{shown}");

    let run_again = async || {
        let path = "/api/v1/executions/retry?activity=slow&status=terminated&limit=1000";
        let request = server.request("POST", path).header("idempotency-key", "once");
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let first = run_again().await;
    assert_eq!(first["ids"].as_array().unwrap().len(), 30);
    assert_eq!(run_again().await["ids"], first["ids"], "sent again, it is not done again");
    server.api("POST", "/executions/terminate?status=waiting", None).await;
    server.api("POST", "/executions/terminate?status=running", None).await;
}

#[tokio::test]
async fn terminate_retry_and_explain() {
    let server = Server::start().await;
    server.approved("slow", "printf 'sleep 1000\\n' > main.sh").await;
    let id = server.submitted("slow", None).await;
    let path = |action: &str| format!("/executions/{id}/{action}");
    let (status, said) = server.api("POST", &path("retry"), None).await;
    assert_eq!((status, &said["type"]), (409, &"urn:pod:problem:not-ended".into()));
    let (status, why) = server.api("GET", &path("explain"), None).await;
    assert_eq!(status, 200);
    assert!(!why["sentences"].as_array().unwrap().is_empty() && why["execution"]["id"] == id, "{why}");
    assert_eq!(server.api("POST", &path("terminate"), None).await.0, 202);
    assert_eq!(server.ended(id).await["status"], "terminated");
    let (status, said) = server.api("POST", &path("terminate"), None).await;
    assert_eq!((status, &said["type"]), (409, &"urn:pod:problem:already-ended".into()));
    let (status, again) = server.api("POST", &path("retry"), None).await;
    assert_eq!((status, &again["retryOf"], &again["activity"]), (202, &json!(id), &json!("slow")), "{again}");
    assert!(again["id"].as_u64().unwrap() > id);
}

#[tokio::test]
async fn time_limits_and_signals_are_told() {
    let server = Server::start().await;
    let body = json!({ "name": "limited", "script": "printf 'sleep 1000\\n' > main.sh", "timeoutSeconds": 0.3 });
    server.api("POST", "/activities", Some(body)).await;
    server.status_becomes("limited", "approved").await;
    let id = server.submitted("limited", None).await;
    let ended = server.ended(id).await;
    assert_eq!((&ended["status"], ended.get("exitCode")), (&json!("timedOut"), None), "{ended}");
    let shown = server.action(&format!("action=getExecutionStatus&executionId={id}")).await;
    assert_eq!(shown["execution"]["status"], "terminated");
    assert!(shown["execution"]["error"].as_str().unwrap().contains("time limit"), "{shown}");

    server.approved("suicide", "printf '#!/bin/sh\\nkill -9 $$\\n' > main.sh").await;
    let id = server.submitted("suicide", None).await;
    let ended = server.ended(id).await;
    assert_eq!((&ended["status"], &ended["signal"]), (&json!("failed"), &json!(9)), "{ended}");
    let shown = server.action(&format!("action=getExecutionStatus&executionId={id}")).await;
    assert_eq!((&shown["execution"]["status"], &shown["execution"]["signal"]), (&json!("finished"), &json!(9)));
}

#[tokio::test]
async fn why_an_execution_was_given_up_is_told_to_programs() {
    let server = Server::start().await;
    let body = json!({ "name": "broken", "script": "sleep 0.5; exit 3" });
    assert_eq!(server.api("POST", "/activities", Some(body)).await.0, 201);
    let ended = server.ended(server.submitted("broken", None).await).await;
    assert_eq!(
        [&ended["status"], &ended["reasonCode"], &ended["reasonDetail"]],
        [&json!("failed"), &json!("gaveUp"), &json!("activityRejected")],
        "{ended}"
    );
    assert!(ended["reason"].as_str().unwrap().starts_with("the activity was rejected: "), "{ended}");
}

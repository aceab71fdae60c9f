//! Errors of `/api/v1`: a status, a stable type and a sentence for everything that can be wrong.

use serde_json::json;

use crate::server::{Server, problem};

#[tokio::test]
async fn malformed_requests_are_named() {
    let server = Server::start().await;
    server.approved("there", "echo 'echo hi' > main.sh").await;
    for (method, path, body, status, kind, part) in [
        ("POST", "/activities", "", 422, "invalid-request", "The body is empty"),
        ("POST", "/activities", "{", 422, "invalid-request", "not JSON"),
        ("POST", "/activities", "{}x", 422, "invalid-request", "not JSON"),
        ("POST", "/activities", r#"["a",null,"x"]"#, 422, "invalid-request", "a JSON object is expected"),
        ("POST", "/activities", "{}", 422, "invalid-request", "name is missing"),
        ("POST", "/activities", r#"{"name":"a"}"#, 422, "invalid-request", "Give either scriptUrl or script"),
        ("POST", "/activities", r#"{"name":"a","script":"","scriptUrl":""}"#, 422, "invalid-request", "not both"),
        ("POST", "/activities", r#"{"name":5,"script":""}"#, 422, "invalid-request", "the number 5"),
        ("POST", "/activities", r#"{"name":"a","script":"","wat":1}"#, 422, "invalid-request", "wat is not known"),
        ("POST", "/activities", r#"{"name":"../a","script":"x"}"#, 422, "invalid-name", "../a"),
        ("POST", "/activities", r#"{"name":"a\u0000","script":"x"}"#, 422, "invalid-name", "is not allowed"),
        ("POST", "/activities", r#"{"name":"a","scriptUrl":"ftp://h/"}"#, 422, "invalid-request", "ftp"),
        ("POST", "/activities", r#"{"name":"a","scriptUrl":"file:///x"}"#, 422, "invalid-request", "--allow-file-urls"),
        ("POST", "/activities", r#"{"name":"a","script":"x","timeoutSeconds":0}"#, 422, "invalid-request", "seconds"),
        ("POST", "/activities", r#"{"name":"a","script":"x","retries":-1}"#, 422, "invalid-request", "-1"),
        (
            "POST",
            "/activities",
            r#"{"name":"a","script":"x","retries":9999}"#,
            422,
            "invalid-request",
            "retries is 9999",
        ),
        ("POST", "/activities", r#"{"name":"a","script":"x","onLost":"cry"}"#, 422, "invalid-request", "cry"),
        ("POST", "/activities", r#"{"name":"a","script":"x","workdir":"mine"}"#, 422, "invalid-request", "mine"),
        ("POST", "/activities", r#"{"name":"a","script":"x","env":{"A=B":"x"}}"#, 422, "invalid-request", "A=B"),
        ("POST", "/activities", r#"{"name":"a","script":"x","env":{"POD_A":"x"}}"#, 422, "invalid-request", "reserved"),
        ("POST", "/activities", r#"{"name":"a","script":"x","maxConcurrency":0}"#, 422, "invalid-request", "above 0"),
        ("POST", "/activities", r#"{"name":"there","script":"x"}"#, 409, "activity-exists", "there"),
        ("PUT", "/activities/b", r#"{"name":"a","script":"x"}"#, 422, "invalid-request", "the path \"b\""),
        ("PUT", "/activities/.b", r#"{"script":"x"}"#, 422, "invalid-name", ".b"),
        ("GET", "/activities/..%2f..%2fetc", "", 404, "no-such-activity", "doesn't exist"),
        ("DELETE", "/activities/.a", "", 404, "no-such-activity", "doesn't exist"),
        ("POST", "/executions", r#"{"activity":"../a"}"#, 404, "no-such-activity", "doesn't exist"),
        ("GET", "/activities/nope", "", 404, "no-such-activity", "doesn't exist"),
        ("DELETE", "/activities/nope", "", 404, "no-such-activity", "doesn't exist"),
        ("GET", "/activities?limit=0", "", 422, "invalid-request", "limit must be"),
        ("GET", "/activities?limit=x", "", 422, "invalid-request", "limit"),
        ("GET", "/activities?wat=1", "", 422, "invalid-request", "wat"),
        ("GET", "/activities/there/installations/77/log", "", 404, "no-such-installation", "worker 77"),
        ("POST", "/executions", "null", 422, "invalid-request", "a JSON object is expected"),
        ("POST", "/executions", r#"["there","x"]"#, 422, "invalid-request", "a JSON object is expected"),
        ("POST", "/executions/batch", r#"["there",["x"]]"#, 422, "invalid-request", "a JSON object is expected"),
        ("POST", "/policies", r#"["p",{}]"#, 422, "invalid-request", "a JSON object is expected"),
        ("GET", "/wat", "", 404, "no-such-route", "nothing at /api/v1/wat"),
        ("PATCH", "/activities", "", 405, "method-not-allowed", "/api/v1/activities does not take PATCH"),
        ("POST", "/executions", "{}", 422, "invalid-request", "activity is missing"),
        ("POST", "/executions", r#"{"activity":"there","inputs":[]}"#, 422, "invalid-request", "inputs is not known"),
        ("POST", "/executions", r#"{"activity":"there","input":5}"#, 422, "invalid-request", "the number 5"),
        ("POST", "/executions", r#"{"activity":"there","input":"\ud800"}"#, 422, "invalid-request", "not JSON"),
        ("POST", "/executions", r#"{"activity":"there","input":"a\u0000"}"#, 422, "invalid-input", "NUL"),
        ("POST", "/executions", r#"{"activity":"nope"}"#, 404, "no-such-activity", "doesn't exist"),
        ("POST", "/executions/batch", r#"{"activity":"there"}"#, 422, "invalid-request", "inputs"),
        ("POST", "/executions/batch", r#"{"activity":"there","inputs":[]}"#, 422, "invalid-request", "inputs is empty"),
        ("POST", "/executions/batch", r#"{"activity":"there","inputs":[1]}"#, 422, "invalid-request", "the number 1"),
        (
            "POST",
            "/executions/batch",
            r#"{"activity":"there","inputs":["a","b\u0000"]}"#,
            422,
            "invalid-request",
            "inputs[1]",
        ),
        ("POST", "/executions/batch", r#"{"activity":"nope","inputs":["a"]}"#, 404, "no-such-activity", ""),
        ("GET", "/executions?status=done", "", 422, "invalid-request", "waiting, running, finished"),
        ("GET", "/executions?activity=nope", "", 404, "no-such-activity", ""),
        ("GET", "/executions?cursor=x", "", 422, "invalid-request", "cursor"),
        ("GET", "/executions?limit=1001", "", 422, "invalid-request", "from 1 to 1000"),
        ("GET", "/executions/77", "", 404, "no-such-execution", "77"),
        ("GET", "/executions/x", "", 404, "no-such-execution", "whole numbers"),
        ("GET", "/executions/-1", "", 404, "no-such-execution", "whole numbers"),
        ("GET", "/executions/99999999999999999999", "", 404, "no-such-execution", "whole numbers"),
        ("GET", "/executions/18446744073709551615", "", 404, "no-such-execution", ""),
        ("GET", "/executions/77?wait=x", "", 422, "invalid-request", "wait is not understood: a number"),
        ("GET", "/executions/77?wait=-1", "", 422, "invalid-request", "wait must be"),
        ("GET", "/executions/77?wait=1e9", "", 422, "invalid-request", "wait must be"),
        ("GET", "/executions/77/output", "", 404, "no-such-execution", ""),
        ("POST", "/executions/77/terminate", "", 404, "no-such-execution", ""),
        ("POST", "/executions/77/retry", "", 404, "no-such-execution", ""),
        ("GET", "/executions/77/explain", "", 404, "no-such-execution", ""),
        ("GET", "/workers/77", "", 404, "no-such-worker", "77"),
        ("POST", "/workers/77/drain", "", 404, "no-such-worker", "77"),
        ("POST", "/workers/x/drain", "", 404, "no-such-worker", "whole numbers"),
        ("POST", "/policies", r#"{"name":"p"}"#, 422, "invalid-request", "rules"),
        ("POST", "/policies", r#"{"name":"p","rules":{"minWorkers":1.5}}"#, 422, "invalid-request", "whole number"),
        ("POST", "/policies", r#"{"name":"p","rules":{"minWorkers":5,"maxWorkers":2}}"#, 422, "invalid-rule", "above"),
        ("POST", "/policies", r#"{"name":"p","rules":{"weather":5}}"#, 422, "invalid-rule", "weather"),
        ("POST", "/policies", r#"{"name":"p q","rules":{}}"#, 422, "invalid-name", "p q"),
        ("POST", "/policies", r#"{"name":"default","rules":{}}"#, 409, "policy-exists", "default"),
        ("POST", "/policies/nope/apply", "", 404, "no-such-policy", ""),
        ("DELETE", "/policies/nope", "", 404, "no-such-policy", ""),
        ("DELETE", "/policies/default", "", 409, "default-policy", "can't be deleted"),
        ("GET", "/nope", "", 404, "no-such-route", "/nope"),
        ("GET", "/executions/1/nope", "", 404, "no-such-route", "nope"),
        ("GET", "/executions/%ff", "", 404, "no-such-route", "UTF-8"),
        ("DELETE", "/executions/1", "", 405, "method-not-allowed", "DELETE"),
        ("PATCH", "/activities", "", 405, "method-not-allowed", "PATCH"),
        ("POST", "/overview", "", 405, "method-not-allowed", "POST"),
        ("GET", "/worker-link", "", 422, "invalid-request", "pod worker"),
    ] {
        let mut request = server.request(method, &format!("/api/v1{path}"));
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let answer = request.body(body).send().await.unwrap();
        let said = problem(answer, &format!("{method} {path} {body}")).await;
        assert_eq!((said.status, said.kind.as_str()), (status, kind), "{method} {path} {body}: {}", said.detail);
        assert!(said.detail.contains(part), "{method} {path} {body}: {}", said.detail);
    }
}

#[tokio::test]
async fn what_is_too_large_or_of_another_kind_is_refused() {
    let server = Server::start().await;
    server.approved("there", "echo 'echo hi' > main.sh").await;
    let input = "x".repeat((1 << 20) + 1);
    let (status, said) = server.api("POST", "/executions", Some(json!({ "activity": "there", "input": input }))).await;
    assert_eq!((status, &said["type"]), (422, &"urn:pod:problem:invalid-input".into()), "{said}");
    let huge = format!("{{\"activity\":\"there\",\"input\":\"{}\"}}", "x".repeat(50 << 20));
    let request = server.request("POST", "/api/v1/executions").header("content-type", "application/json");
    let said = problem(request.body(huge).send().await.unwrap(), "50 MB").await;
    assert_eq!((said.status, said.kind.as_str()), (413, "too-large"));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let request = server.request("POST", "/api/v1/executions").header("content-type", kind);
        let said = problem(request.body("{\"activity\":\"there\"}").send().await.unwrap(), kind).await;
        assert_eq!((said.status, said.kind.as_str()), (415, "unsupported-media-type"), "{kind}");
    }
    let too_many = json!({ "activity": "there", "inputs": vec![""; 100_001] });
    let (status, said) = server.api("POST", "/executions/batch", Some(too_many)).await;
    assert_eq!(status, 422, "{said}");
    assert!(said["detail"].as_str().unwrap().contains("100000"), "{said}");
}

#[tokio::test]
async fn a_refused_batch_starts_nothing() {
    let server = Server::start().await;
    server.approved("there", "echo 'echo hi' > main.sh").await;
    server.api("POST", "/executions/batch", Some(json!({ "activity": "there", "inputs": ["a", "\0"] }))).await;
    let (_, list) = server.api("GET", "/executions", None).await;
    assert_eq!(list, json!({ "items": [] }));
}

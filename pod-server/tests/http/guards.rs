//! Tokens, host names, pages of other sites.

use pod_server::config::Secret;
use serde_json::{Value, json};

use crate::server::Server;

/// One request of each kind that changes something, and whether a browser could make it by GET.
const CHANGES: &[(&str, &str)] = &[
    ("GET", "/POD/?action=newExecution&name=a"),
    ("GET", "/?action=newExecution&name=a"),
    ("GET", "/POD/?action=newActivity&name=evil&installationScriptLocation=http://127.0.0.1:1/x"),
    ("GET", "/POD/?action=getExecutionStatus&executionId=1"),
    ("GET", "/POD/?action=terminateExecution&executionId=1"),
    ("GET", "/POD/?action=newPolicy&name=evil&rules=fixedWorkers=1"),
    ("GET", "/POD/?action=applyPolicy&name=default"),
    ("GET", "/POD/?action=deletePolicy&name=x"),
    ("GET", "/POD/?action=resetPolicies"),
    ("GET", "/POD/?action=deleteActivity&name=a"),
    ("POST", "/POD/?action=newExecution&name=a"),
    ("POST", "/api/v1/executions"),
    ("DELETE", "/api/v1/activities/a"),
    ("POST", "/api/v1/policies/default/apply"),
];

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let server = Server::start().await;
    server.approved("a", "echo 'exit 0' > main.sh").await;
    let own = server.origin();
    for (method, path) in CHANGES {
        for headers in [
            vec![("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "image"), ("sec-fetch-mode", "no-cors")],
            vec![("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate")],
            vec![("sec-fetch-site", "same-site"), ("sec-fetch-dest", "empty")],
            vec![("origin", "http://evil.example")],
            vec![("origin", "null")],
            vec![("sec-fetch-site", "same-origin"), ("sec-purpose", "prefetch")],
            vec![("purpose", "prefetch")],
            vec![("x-moz", "prefetch")],
        ] {
            let mut request = server.request(method, path).header("content-type", "application/json");
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            let answer = request.body("{\"activity\":\"a\"}").send().await.unwrap();
            assert_eq!(answer.status(), 403, "{method} {path} {headers:?}");
            let body: Value = answer.json().await.unwrap();
            assert!(body["error"].is_string() != path.starts_with("/api"), "{body}");
        }
        if *method == "GET" {
            for embedded in ["image", "iframe", "script", "style", "object"] {
                let request = server.request(method, path).header("sec-fetch-site", "same-origin");
                let answer = request.header("sec-fetch-dest", embedded).send().await.unwrap();
                assert_eq!(answer.status(), 403, "{path} {embedded}");
            }
        }
    }
    assert_eq!(server.api("GET", "/executions", None).await.1, json!({ "items": [] }), "nothing was started");
    assert_eq!(server.api("GET", "/activities/evil", None).await.0, 404);

    // What a person types, a page of our own, and curl.
    for headers in [
        vec![],
        vec![("sec-fetch-site", "none"), ("sec-fetch-dest", "document")],
        vec![("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")],
        vec![("origin", own.as_str())],
    ] {
        let mut request = server.request("GET", "/POD/?action=newExecution&name=a");
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer["execution"]["id"].is_u64(), "{headers:?}: {answer}");
    }
    // Reading is not refused: browsers keep pages of other sites from seeing it.
    let read = server.request("GET", "/POD/?action=getWorkers").header("sec-fetch-site", "cross-site");
    assert_eq!(read.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_foreign_page_cannot_open_the_worker_link() {
    let server = Server::start().await;
    let upgrade = |origin: Option<&str>| {
        let mut request = server
            .request("GET", "/api/v1/worker-link")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.send()
    };
    assert_eq!(upgrade(Some("http://evil.example")).await.unwrap().status(), 403);
    assert_eq!(upgrade(Some("null")).await.unwrap().status(), 403);
    assert_eq!(upgrade(None).await.unwrap().status(), 101);
}

#[tokio::test]
async fn unknown_host_names_are_refused() {
    let server = Server::with(|config| {
        config.allow_hosts = vec!["pod.example".to_owned()];
        config.token = Some(Secret::new("s3cret"));
    })
    .await;
    for path in ["/POD/?action=getWorkers", "/POD/", "/", "/api/v1/overview", "/healthz", "/metrics"] {
        for (host, status) in [
            ("evil.example", 403),
            ("127.0.0.1.evil.example:8080", 403),
            ("", 403),
            ("localhost:1", 200),
            ("127.0.0.1", 200),
            ("[::1]:8080", 200),
            ("pod.example", 200),
            ("POD.example:99", 200),
        ] {
            let answer = server.request("GET", path).header("host", host).send().await.unwrap();
            assert_eq!(answer.status(), status, "{path} {host:?}");
        }
    }
}

#[tokio::test]
async fn with_a_token_everything_but_the_probes_needs_it() {
    let server = Server::with(|config| config.token = Some(Secret::new("s3cret"))).await;
    for (n, path) in [
        "/POD/",
        "/POD/?action=getWorkers",
        "/",
        "/api/v1/overview",
        "/api/v1/openapi.json",
        "/api/v1/worker-link",
        "/api/v1/nope",
        "/nope",
        "/metrics",
        "/login",
    ]
    .into_iter()
    .enumerate()
    {
        // What holds no token is no guess; of those, ten a minute are heard.
        let guess = Some("Bearer wrong").filter(|_| n < 10);
        for authorization in [None, guess, Some("Bearer "), Some("Basic czNjcmV0"), Some("s3cret")] {
            let mut request = server.anonymous("GET", path);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{path} {authorization:?}");
            let body: Value = answer.json().await.unwrap();
            let sentence = body["error"].as_str().or(body["detail"].as_str()).unwrap_or_default();
            assert!(sentence.contains("token"), "{path}: {body}");
        }
    }
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(server.anonymous("GET", probe).send().await.unwrap().status(), 200, "{probe}");
    }
    assert_eq!(server.get("/POD/?action=getWorkers").await.status(), 200, "with the token");
    // A prefetch with a good token is still one.
    let prefetch = server.request("GET", "/POD/?action=resetPolicies").header("sec-purpose", "prefetch");
    assert_eq!(prefetch.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_browser_gets_a_cookie_that_reads_and_posts_but_never_changes_by_get() {
    let server = Server::with(|config| config.token = Some(Secret::new("s3cret"))).await;
    let page = server.anonymous("GET", "/").header("accept", "text/html,*/*").send().await.unwrap();
    assert_eq!(page.status(), 401);
    assert!(page.text().await.unwrap().contains("action=\"/login\""));
    let log_in = |token: &str| {
        let request = server.anonymous("POST", "/login").header("content-type", "application/x-www-form-urlencoded");
        request.body(format!("token={token}")).send()
    };
    let wrong = log_in("wrong").await.unwrap();
    assert!(wrong.status() == 401 && !wrong.headers().contains_key("set-cookie"));
    let right = log_in("s3cret").await.unwrap();
    assert_eq!(right.status(), 303);
    let set = right.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && !set.contains("s3cret"), "{set}");
    let cookie = set.split(';').next().unwrap();
    for (method, path, status) in [
        ("GET", "/POD/?action=getWorkers", 200),
        ("GET", "/api/v1/overview", 200),
        ("POST", "/POD/?action=resetPolicies", 200),
        ("POST", "/api/v1/policies/default/apply", 200),
        ("GET", "/POD/?action=resetPolicies", 403),
        ("GET", "/POD/?action=getExecutionStatus&executionId=1", 403),
        ("GET", "/api/v1/worker-link", 401),
    ] {
        let request = server.anonymous(method, path).header("cookie", cookie).header("sec-fetch-site", "same-origin");
        assert_eq!(request.send().await.unwrap().status(), status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_client_from_before_host_names_is_answered() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start().await;
    let address = server.origin().replace("http://", "");
    for (request, status) in [
        ("GET /POD/?action=getWorkers HTTP/1.0\r\n\r\n", " 200 "),
        ("GET http://evil.example/POD/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", " 403 "),
        ("GET /POD/ HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n", " 403 "),
    ] {
        let mut connection = tokio::net::TcpStream::connect(&address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let first = answer.lines().next().unwrap_or_default();
        assert!(format!("{first} ").contains(status), "{request:?}: {first}");
    }
}

//! A real manager on a free port with a data directory of its own, and a client of it.

use std::{future::Future, path::Path, sync::Once, time::Duration};

use pod_server::{
    config::Config,
    serve::{RunningManager, StartError, WorkerPlacement},
};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before the test gives up on it.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    running: Option<RunningManager>,
    base: String,
    client: Client,
    token: Option<String>,
    config: Config,
    directory: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings than the defaults.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::in_directory(directory.path().join("data"));
        (config.listen, config.slots) = ("127.0.0.1:0".to_owned(), 2);
        config.grace = pod_core::domain::Millis::from_secs(2);
        change(&mut config);
        let running = start(&config).await.unwrap();
        let base = format!("http://{}", running.address);
        let token = config.token.as_ref().map(|token| token.expose().to_owned());
        Self { running: Some(running), base, client: client(), token, config, directory }
    }

    /// Another manager over the same data directory, after this one has stopped.
    pub(crate) async fn again(self) -> Self {
        self.again_with(|_| {}).await
    }

    /// The same, with other settings, which are made while no manager is there.
    pub(crate) async fn again_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        change(&mut self.config);
        self.token = self.config.token.as_ref().map(|token| token.expose().to_owned());
        let running = start(&self.config).await.unwrap();
        self.base = format!("http://{}", running.address);
        Self { running: Some(running), ..self }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.running.as_ref().unwrap().address
    }

    /// A place of the test's own beside the data directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn origin(&self) -> String {
        self.base.clone()
    }

    pub(crate) async fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// A request without a token.
    pub(crate) fn anonymous(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A request with the token, where there is one.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let request = self.anonymous(method, path);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().await.unwrap()
    }

    /// An action by GET.
    pub(crate) async fn action(&self, query: &str) -> Value {
        let answer = self.get(&format!("/POD/?{query}")).await;
        assert_eq!(answer.status(), 200, "{query}");
        answer.json().await.unwrap()
    }

    /// A request to `/api/v1`.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.request(method, &format!("/api/v1{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Looks until there is something to see.
    pub(crate) async fn eventually<T>(&self, look: impl AsyncFn() -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(seen) = look().await {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(looking).await
    }

    pub(crate) async fn status_becomes(&self, activity: &str, status: &str) -> Value {
        self.eventually(async || {
            let (_, shown) = self.api("GET", &format!("/activities/{activity}"), None).await;
            assert!(status == "rejected" || shown["status"] != "rejected", "{shown}");
            (shown["status"] == status).then_some(shown)
        })
        .await
    }

    /// An activity that takes executions.
    pub(crate) async fn approved(&self, name: &str, script: &str) {
        let (status, made) = self.api("POST", "/activities", Some(json!({ "name": name, "script": script }))).await;
        assert_eq!(status, 201, "{made}");
        self.status_becomes(name, "approved").await;
    }

    pub(crate) async fn submitted(&self, activity: &str, input: Option<&str>) -> u64 {
        let mut body = json!({ "activity": activity });
        if let Some(input) = input {
            body["input"] = input.into();
        }
        let (status, made) = self.api("POST", "/executions", Some(body)).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_u64().unwrap()
    }

    pub(crate) async fn ended(&self, id: u64) -> Value {
        let (_, execution) = self.api("GET", &format!("/executions/{id}?wait=60"), None).await;
        let status = execution["status"].as_str().unwrap_or_default();
        assert!(!["waiting", "running", ""].contains(&status), "it did not end: {execution}");
        execution
    }
}

fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it takes too long")
}

/// An answer that must be a problem.
pub(crate) struct SaidProblem {
    pub(crate) status: u16,
    /// What stands after `urn:pod:problem:`.
    pub(crate) kind: String,
    pub(crate) detail: String,
}

pub(crate) async fn problem(answer: Response, request: &str) -> SaidProblem {
    let status = answer.status().as_u16();
    let content_type = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    assert_eq!(content_type.as_deref(), Some("application/problem+json"), "{request}: {status} {text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["status"], status, "{request}: {body}");
    assert!(body["title"].is_string(), "{request}: {body}");
    let kind = body["type"].as_str().unwrap().strip_prefix("urn:pod:problem:").unwrap().to_owned();
    SaidProblem { status, kind, detail: body["detail"].as_str().unwrap().to_owned() }
}

/// A server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SseEvent {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// Reads events until one that is the last to be read.
pub(crate) async fn sse_events(request: RequestBuilder, mut is_last: impl FnMut(&SseEvent) -> bool) -> Vec<SseEvent> {
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let reading = async {
        let (mut events, mut text) = (Vec::new(), Vec::new());
        while let Some(chunk) = answer.chunk().await.unwrap() {
            text.extend_from_slice(&chunk);
            while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = text.drain(..end + 2).collect();
                let Some(event) = understood(str::from_utf8(&block).unwrap()) else { continue };
                let last = is_last(&event);
                events.push(event);
                if last {
                    return events;
                }
            }
        }
        panic!("the events ended early: {events:?}");
    };
    within(reading).await
}

fn understood(block: &str) -> Option<SseEvent> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = serde_json::from_str(field("data")?).unwrap();
    Some(SseEvent { id: field("id").unwrap_or_default().to_owned(), name: field("event")?.to_owned(), data })
}

/// Percent-encoded for a query.
pub(crate) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Starts a manager as `pod serve` does, but for its workers, which end with the test.
pub(crate) async fn start(config: &Config) -> Result<RunningManager, StartError> {
    pod_server::serve::start(config, WorkerPlacement::ThisProcess).await
}

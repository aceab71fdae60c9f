//! The requests of these tests. Each goes on a connection of its own, as a manager may be gone at any moment.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use pod_tests::Server;
use serde_json::{Value, json};

/// Only so that a test that hangs fails with its name: nothing is expected to take as long.
pub(crate) const HANGS: Duration = Duration::from_secs(60);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A header that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let of = |line: &str| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().parse().ok())?
        };
        self.head.lines().find_map(of)
    }
}

/// Asks once. HTTP/1.0, so that the end of the connection is the end of the body.
pub(crate) fn ask(url: &str, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(HANGS))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         {headers}\r\n{body}"
    )?;
    let mut arrived = Vec::new();
    stream.read_to_end(&mut arrived)?;
    let end = arrived.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let body = arrived.split_off(end + 4);
    let head = String::from_utf8_lossy(&arrived).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let answer = Answer { status, head, body };
    match answer.number("content-length") {
        Some(length) if length != answer.body.len() as u64 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(answer),
    }
}

/// Gets an answer that must be a success.
pub(crate) fn get(url: &str, path: &str) -> Answer {
    let answer = ask(url, "GET", path, "", "").unwrap_or_else(|error| panic!("GET {path}: {error}"));
    assert_eq!(answer.status, 200, "GET {path}: {}", String::from_utf8_lossy(&answer.body));
    answer
}

/// Posts what must succeed.
pub(crate) fn post(url: &str, path: &str, body: &Value) -> Value {
    let answer = ask(url, "POST", path, "", &body.to_string()).unwrap_or_else(|error| panic!("POST {path}: {error}"));
    assert!((200..300).contains(&answer.status), "POST {path}: {}", answer.json());
    answer.json()
}

/// Registers an activity whose `main.sh` is this text, and waits until it is approved.
pub(crate) fn register(url: &str, name: &str, main: &str, settings: Value) {
    let script = format!("cat > main.sh <<'END_OF_MAIN'\n#!/bin/sh\n{main}\nEND_OF_MAIN\n");
    let mut activity = json!({ "name": name, "script": script });
    if let (Some(activity), Value::Object(settings)) = (activity.as_object_mut(), settings) {
        activity.extend(settings);
    }
    post(url, "/api/v1/activities", &activity);
    until("the activity is approved", || {
        let activity = get(url, &format!("/api/v1/activities/{name}")).json();
        assert_ne!(activity["status"], "rejected", "{activity}");
        activity["status"] == "approved"
    });
}

/// Starts an execution; its id.
pub(crate) fn start(url: &str, activity: &str, input: &str) -> u64 {
    let started = post(url, "/api/v1/executions", &json!({ "activity": activity, "input": input }));
    started["id"].as_u64().unwrap_or_else(|| panic!("an execution without id: {started}"))
}

/// An execution when it has ended.
pub(crate) fn ended(url: &str, id: u64) -> Value {
    let execution = get(url, &format!("/api/v1/executions/{id}?wait={}", HANGS.as_secs() - 5)).json();
    assert!(execution["finishedAt"].is_string(), "execution {id} does not end: {execution}");
    execution
}

/// What an execution printed on stdout.
pub(crate) fn stdout(url: &str, id: u64) -> Answer {
    get(url, &format!("/api/v1/executions/{id}/output?stream=stdout"))
}

/// How often each execution concluded, by the manager's own events. Read up to the end of one more,
/// which is started for that.
pub(crate) fn conclusions(url: &str, executions: usize) -> BTreeMap<u64, usize> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("the manager listens");
    stream.set_read_timeout(Some(HANGS)).expect("a limit can be set");
    write!(stream, "GET /api/v1/events?after=0 HTTP/1.0\r\nHost: {address}\r\n\r\n").expect("the manager reads");
    let mut times = BTreeMap::new();
    // Events that another execution's end makes come later than all of these.
    let marker = start(url, "a", "marker");
    for line in BufReader::new(stream).lines() {
        let line = line.expect("events go on until the marker's");
        let Some(event) = line.strip_prefix("data:").and_then(|data| serde_json::from_str::<Value>(data).ok()) else {
            continue;
        };
        if event["kind"] == "executionEnded" {
            match event["execution"].as_u64() {
                Some(id) if id == marker => break,
                Some(id) => *times.entry(id).or_insert(0) += 1,
                None => panic!("an end of no execution: {event}"),
            }
        }
    }
    assert_eq!(times.len(), executions, "each execution has its end among the events");
    times
}

/// How much memory a manager takes, in MiB.
pub(crate) fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the manager lives");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map_or(0, |kib: u64| kib / 1024)
}

/// Waits for something to come true.
pub(crate) fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANGS;
    while !is_true() {
        assert!(Instant::now() < deadline, "it does not come true that {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

//! Whose a connection is: without a token the manager serves the user who started it, and nobody else on the machine.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use pod_server::config::Secret;
use rustix::process::Uid;
use serde_json::json;

use crate::server::Server;

/// Another user than the one who runs the tests, who are root's to try this.
const ANOTHER: u32 = 65_534;

/// What a connection does after it was made.
type Deed = fn(TcpStream, &str) -> String;

/// What a thread of this user meets that does something with a connection. Nothing where the tests cannot be another.
async fn as_user(uid: Option<u32>, to: SocketAddr, request: String, deed: Deed) -> Option<String> {
    if uid.is_some() && !rustix::process::geteuid().is_root() {
        return None;
    }
    let doing = std::thread::spawn(move || {
        if let Some(uid) = uid.map(Uid::from_raw) {
            // Of this thread alone, which ends with what it made.
            rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        }
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        deed(stream, &request)
    });
    Some(tokio::task::spawn_blocking(move || doing.join().unwrap()).await.unwrap())
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn asks(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    answer(stream)
}

fn asks_and_sends_no_more(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    answer(stream)
}

fn leaves(stream: TcpStream, _: &str) -> String {
    drop(stream);
    String::new()
}

fn asks_and_leaves(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    String::new()
}

fn asks_and_resets(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    String::new()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// The loopback addresses that a manager of this machine can listen on.
async fn servers() -> Vec<Server> {
    let mut all = vec![Server::start().await];
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        all.push(Server::with(|config| config.listen = "[::1]:0".to_owned()).await);
    }
    all
}

#[tokio::test]
async fn another_user_is_told_that_a_token_is_the_way() {
    for server in servers().await {
        for path in
            ["/POD/", "/POD/?action=getWorkers", "/api/v1/overview", "/", "/metrics", "/api/v1/worker-link", "/nope"]
        {
            let Some(said) = as_user(Some(ANOTHER), server.address(), get(path), asks).await else { return };
            assert!(status(&said) == "403" && said.contains("POD_TOKEN"), "{path}: {said}");
        }
        let healthz = as_user(Some(ANOTHER), server.address(), get("/healthz"), asks).await.unwrap();
        assert_eq!(status(&healthz), "200", "whether it is there is no secret");
        let own = as_user(None, server.address(), get("/POD/?action=getWorkers"), asks).await.unwrap();
        assert!(status(&own) == "200" && own.contains("\"workers\""), "{own}");
    }
}

#[tokio::test]
async fn another_user_starts_nothing_however_the_connection_ends() {
    for server in servers().await {
        server.approved("a", "echo 'exit 0' > main.sh").await;
        let run = get("/POD/?action=newExecution&name=a");
        let deeds: [Deed; 5] = [asks, asks_and_sends_no_more, leaves, asks_and_leaves, asks_and_resets];
        for deed in deeds {
            for _ in 0..20 {
                let Some(said) = as_user(Some(ANOTHER), server.address(), run.clone(), deed).await else { return };
                assert!(said.is_empty() || status(&said) == "403", "{said}");
            }
        }
        // What came before is answered by now, for connections are taken in their order.
        let own = as_user(None, server.address(), run.clone(), asks).await.unwrap();
        assert_eq!(status(&own), "200", "{own}");
        let ids: Vec<_> = server.api("GET", "/executions", None).await.1["items"].as_array().unwrap().clone();
        assert_eq!(ids.len(), 1, "the owner's alone: {ids:?}");
    }
}

#[tokio::test]
async fn with_a_token_it_is_the_token_that_counts() {
    let server = Server::with(|config| config.token = Some(Secret::new("s3cret"))).await;
    let request = "GET /POD/?action=getWorkers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    for (uid, header, expected) in [
        (Some(ANOTHER), "Authorization: Bearer s3cret\r\n", "200"),
        (Some(ANOTHER), "", "401"),
        (None, "", "401"),
        (None, "Authorization: Bearer s3cret\r\n", "200"),
    ] {
        let Some(said) = as_user(uid, server.address(), format!("{request}{header}\r\n"), asks).await else { return };
        assert_eq!(status(&said), expected, "{uid:?} {header:?}: {said}");
    }
}

#[tokio::test]
async fn workers_of_another_user_come_in_by_their_token() {
    let server = Server::with(|config| config.worker_token = Some(Secret::new("w0rker"))).await;
    let dial = |token: &str| {
        format!(
            "GET /api/v1/worker-link HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{token}\r\n"
        )
    };
    let first_line: Deed = |mut stream, request| {
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = [0; 12];
        stream.read_exact(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    for (token, expected) in [("Authorization: Bearer w0rker\r\n", "101"), ("", "401")] {
        let Some(said) = as_user(Some(ANOTHER), server.address(), dial(token), first_line).await else { return };
        assert_eq!(status(&said), expected, "{token}");
    }
    let (_, made) = server.api("GET", "/executions", None).await;
    assert_eq!(made, json!({ "items": [] }), "the owner needs none");
}

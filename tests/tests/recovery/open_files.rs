//! As many files as a process may have open, and no more.

use std::net::TcpStream;

use pod_tests::{Pod, after};
use serde_json::json;

use crate::client;

#[test]
fn idle_connections_do_not_stop_the_manager() {
    let pod = Pod::new();
    let server = pod.serve_after("ulimit -n 160", "127.0.0.1:0", &["--slots", "2"]);
    let url = server.url();
    let address = url.trim_start_matches("http://");
    // More than descriptors. They are let in one after another, and nobody else is before them.
    let idle: Vec<TcpStream> = (0..180).map(|_| TcpStream::connect(address).expect("it listens")).collect();
    client::until("others are served", || client::ask(url, "GET", "/healthz", "", "").is_ok());
    client::register(url, "hello", "echo hello", json!({}));
    let id = client::start(url, "hello", "");
    assert_eq!(client::ended(url, id)["status"], "finished");
    drop(idle);
    assert!(server.stop().success());
}

#[test]
fn programs_keep_the_limit_that_the_manager_raises_for_itself() {
    let pod = Pod::new();
    let server = pod.serve_after("ulimit -Sn 200 && ulimit -Hn 3000", "127.0.0.1:0", &["--slots", "100"]);
    let url = server.url();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).expect("it runs");
    let raised =
        limits.lines().any(|line| line.starts_with("Max open files") && line.split_whitespace().nth(3) == Some("3000"));
    assert!(raised, "{limits}");
    client::register(url, "limits", "ulimit -Sn; ulimit -Hn", json!({}));
    let id = client::start(url, "limits", "");
    client::ended(url, id);
    assert_eq!(client::stdout(url, id).body, b"200\n3000\n");
    assert!(server.stop().success());
}

#[test]
fn more_slots_than_descriptors_are_refused_in_a_sentence() {
    let pod = Pod::new();
    let serve = pod.command(&["serve", "--listen", "127.0.0.1:0", "--slots", "1024"]);
    let ran = after("ulimit -n 1024", &serve).output().expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert_eq!(
        said,
        "pod: 1024 slots need 3136 open files, and this process may have 1024: set slots to 320 or less, or raise the \
         limit (ulimit -Hn)\n"
    );
}

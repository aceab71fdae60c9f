//! Clients that ask for much and take it slowly.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use pod_tests::Pod;
use serde_json::json;

use crate::client;

#[test]
fn slow_readers_of_whole_results_take_no_memory() {
    let pod = Pod::new();
    let server = pod.serve(&["--slots", "1"]);
    let url = server.url();
    // Escaped, each byte takes six.
    client::register(url, "stays", "head -c 15000000 /dev/zero; sleep 1000", json!({}));
    let id = client::start(url, "stays", "");
    client::until("all of it is printed", || client::stdout(url, id).body.len() == 15_000_000);

    let before = client::memory(&server);
    let address = url.trim_start_matches("http://");
    let path = format!("/POD/?action=getExecutionStatus&executionId={id}");
    let readers: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut reader = TcpStream::connect(address).expect("the manager listens");
            reader.set_read_timeout(Some(client::HANGS)).expect("a limit can be set");
            write!(reader, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("the manager reads");
            reader.read_exact(&mut [0; 1 << 10]).expect("it begins to answer");
            reader
        })
        .collect();
    let held = client::memory(&server);
    assert!(held < before + 64, "the manager grew from {before} to {held} MiB");
    // Who is quick is not held up by them.
    let answer = client::get(url, &path).json();
    assert!(answer["execution"]["stdout"].as_str().is_some_and(|text| text == "\0".repeat(15_000_000)));
    drop(readers);
    assert!(server.stop().success());
}

#[test]
fn a_large_result_is_the_same_text_as_its_bytes() {
    let pod = Pod::new();
    let server = pod.serve(&["--slots", "1"]);
    let url = server.url();
    let main = "head -c 2000000 /dev/urandom; printf 'w\\303\\266rld \\303'; echo no >&2; \
                i=0; while [ $i -lt 40000 ]; do printf 'a\\342\\202\\254\\360\\220\\215\\210\"'; i=$((i+1)); done";
    client::register(url, "mixed", main, json!({}));
    let id = client::start(url, "mixed", "");
    client::ended(url, id);
    let bytes = client::stdout(url, id).body;
    let path = format!("/POD/?action=getExecutionStatus&executionId={id}");
    let answer = client::get(url, &path).json();
    assert!(answer["execution"]["stdout"].as_str().is_some_and(|text| text == String::from_utf8_lossy(&bytes)));
    assert_eq!((&answer["execution"]["stderr"], &answer["execution"]["exitCode"]), (&json!("no\n"), &json!(0)));
    assert!(client::get(url, &path).json()["error"].is_string(), "it is handed out once");
    assert!(server.stop().success());
}

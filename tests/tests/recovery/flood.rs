//! An execution that prints without measure, and everyone beside it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use pod_tests::Pod;
use serde_json::json;

use crate::client;

const CLIENTS: usize = 16;
const GIGABYTE: u64 = 1_000_000_000;

/// The bytes from one offset to another of what `seq 1 …` prints: numbers, a line each.
fn sequence(from: u64, to: u64) -> Vec<u8> {
    let (mut first, mut line, mut at) = (1, 2, 0);
    // The numbers of so many digits.
    while at + 9 * first * line <= from {
        at += 9 * first * line;
        (first, line) = (first * 10, line + 1);
    }
    let number = first + (from - at) / line;
    let before = usize::try_from((from - at) % line).expect("it fits");
    let length = usize::try_from(to - from).expect("it fits");
    (number..).flat_map(|number| format!("{number}\n").into_bytes()).skip(before).take(length).collect()
}

/// Follows stdout from an offset, and is cut off after so many bytes.
fn follow(url: &str, id: u64, offset: usize, limit: u64) -> Vec<u8> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("the manager listens");
    stream.set_read_timeout(Some(client::HANGS)).expect("a limit can be set");
    let path = format!("/api/v1/executions/{id}/output?stream=stdout&follow=true&offset={offset}");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").expect("the manager reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    let mut body = Vec::new();
    stream.take(limit).read_to_end(&mut body).expect("output");
    body
}

#[test]
fn the_sequence_is_what_seq_prints() {
    let whole: Vec<u8> = (1..200_000).flat_map(|number| format!("{number}\n").into_bytes()).collect();
    for (from, to) in [(0, 5), (0, 1000), (17, 18), (18, 400), (189, 3000), (100_001, 900_000)] {
        assert!(sequence(from, to) == whole[from as usize..to as usize], "{from}..{to}");
    }
}

#[test]
fn slow_a_flood_of_a_gigabyte_harms_nobody_and_its_head_and_tail_are_exact() {
    let pod = Pod::new();
    let server = pod.serve(&["--slots", "2"]);
    let url = server.url();
    client::register(url, "flood", &format!("seq 1 200000000 | head -c {GIGABYTE}"), json!({}));
    client::register(url, "small", "echo \"hello $1\"", json!({}));
    let warm = client::start(url, "small", "");
    client::ended(url, warm);
    let before = client::memory(&server);
    let id = client::start(url, "flood", "");
    let done = AtomicBool::new(false);
    let (followed, highest, answered) = thread::scope(|scope| {
        // Cut off twice on its way.
        let follower = scope.spawn(|| {
            let mut seen = Vec::new();
            for limit in [1_000_001, 20_000_003, u64::MAX] {
                seen.extend(follow(url, id, seen.len(), limit));
            }
            seen
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let done = &done;
                scope.spawn(move || {
                    let mut ids = Vec::new();
                    while ids.is_empty() || !done.load(Ordering::Relaxed) {
                        ids.push((client::start(url, "small", &number.to_string()), number));
                        thread::sleep(std::time::Duration::from_millis(20));
                    }
                    ids
                })
            })
            .collect();
        let watcher = scope.spawn(|| {
            let mut highest = 0;
            while !done.load(Ordering::Relaxed) {
                highest = highest.max(client::memory(&server));
                thread::sleep(std::time::Duration::from_millis(5));
            }
            highest
        });
        let ended = client::ended(url, id);
        done.store(true, Ordering::Relaxed);
        assert_eq!((&ended["status"], &ended["exitCode"]), (&json!("finished"), &json!(0)), "{ended}");
        let answered: Vec<(u64, usize)> =
            clients.into_iter().flat_map(|client| client.join().expect("every submit is answered")).collect();
        (follower.join().expect("the follower gets its bytes"), watcher.join().expect("it watches"), answered)
    });
    assert!(highest < before + 64, "the manager grew from {before} to {highest} MiB");
    for (id, number) in answered {
        assert_eq!(client::ended(url, id)["status"], "finished");
        assert_eq!(client::stdout(url, id).body, format!("hello {number}\n").into_bytes());
    }
    let kept = client::stdout(url, id);
    let gap = kept.number("pod-output-gap-start").zip(kept.number("pod-output-gap-end"));
    let (start, end) = gap.expect("the gap is named");
    let (head, tail) = kept.body.split_at(usize::try_from(start).expect("it fits"));
    assert!(start >= 64 << 20 && head == sequence(0, start), "the head is not exact");
    assert!(GIGABYTE - end >= 1 << 20 && tail == sequence(end, GIGABYTE), "the tail is not exact");
    assert!(followed == kept.body, "the follower saw {} bytes, and {} are kept", followed.len(), kept.body.len());
    assert!(server.stop().success());
}

#[test]
fn forty_megabytes_on_stderr_before_stdout_hold_nothing_up() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    client::register(server.url(), "loud", "head -c 40000000 /dev/zero >&2; echo done", json!({}));
    let id = client::start(server.url(), "loud", "");
    assert_eq!(client::ended(server.url(), id)["status"], "finished");
    assert_eq!(client::stdout(server.url(), id).body, b"done\n");
    let stderr = client::get(server.url(), &format!("/api/v1/executions/{id}/output?stream=stderr"));
    assert!(stderr.body.len() == 40_000_000 && stderr.body.iter().all(|byte| *byte == 0), "{}", stderr.body.len());
    assert!(server.stop().success());
}

//! What strangers send costs about as much as they send, and is answered at once.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use pod_core::{
    domain::{ActivityId, AttemptKey, AttemptNo, ExecutionId, RevisionNo, Timestamp},
    link::{AttemptReport, FromWorker, Hello, Transport, encode},
};
use pod_server::{
    config::Secret,
    worker_link::{dial, link_url},
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Server, within};

/// The most memory that this process has had since [`forget_peak`], in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Gives what it has now.
fn forget_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak()
}

/// How much more memory something takes while it lasts.
async fn cost_of<T>(doing: impl Future<Output = T>) -> (u64, T) {
    let before = forget_peak();
    let done = within(doing).await;
    (peak().saturating_sub(before), done)
}

/// A header of a tar that claims that size, and has no more than that.
fn claiming(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(size);
    if kind == b'S' {
        // One hole up to the end.
        header.as_gnu_mut().unwrap().realsize[..11].copy_from_slice(b"77777777777");
    }
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn zipped(tar: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

async fn put(server: &Server, archive: Vec<u8>) -> (u16, Value) {
    let request = server.request("PUT", "/api/v1/activities/d").header("content-type", "application/gzip");
    let answer = request.body(archive).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn an_archive_that_claims_much_is_refused_with_its_entry_before_it_costs_anything() {
    let server = Server::start().await;
    let main = claiming("main.sh", b'0', 0);
    let long_name = zipped(&claiming("././@LongLink", b'L', 1600 << 20));
    let filled = [long_name, zipped(&vec![b'n'; 16 << 20])].concat();
    for (what, archive, entry) in [
        ("holes", zipped(&[&main[..], &claiming("holes", b'S', 1 << 62)].concat()), "holes"),
        ("a TiB", zipped(&[&main[..], &claiming("large", b'0', 1 << 40)].concat()), "large"),
        ("a pax header", zipped(&[&main[..], &claiming("PaxHeaders/x", b'x', 400 << 20)].concat()), "PaxHeaders/x"),
        ("a long link", zipped(&[&main[..], &claiming("././@LongLink", b'K', 830 << 20)].concat()), "@LongLink"),
        ("a long name", filled, "@LongLink"),
        ("a device", zipped(&[&main[..], &claiming("sda", b'4', 0)].concat()), "sda"),
    ] {
        let (cost, (status, problem)) = cost_of(put(&server, archive)).await;
        assert_eq!(status, 422, "{what}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(entry), "{what}: {problem}");
        assert!(cost < 32 << 20, "{what} costs {cost} bytes");
    }
    assert_eq!(server.get("/api/v1/activities/d").await.status(), 404, "nothing was registered");
}

/// A million entries are a megabyte.
#[tokio::test]
async fn an_archive_of_very_many_entries_is_refused_in_bounded_memory() {
    let server = Server::start().await;
    let same = zipped(&claiming("f", b'0', 0).repeat(1000));
    let (cost, (status, problem)) = cost_of(put(&server, same.repeat(1000))).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("at most 500000 files"), "{problem}");
    assert!(cost < 32 << 20, "it costs {cost} bytes");
}

/// What a worker of no work says first.
fn hello(attempts: usize) -> Vec<u8> {
    let key = AttemptKey { execution: ExecutionId(1), attempt: AttemptNo(1) };
    let hello =
        Hello { attempts: vec![AttemptReport { key, started_at: None, ended: false }; attempts], ..Hello::new(7, 1) };
    encode(&[FromWorker::Hello(Box::new(hello))]).unwrap().to_vec()
}

/// A frame of 16 MiB, of one short message again and again.
fn flood(message: &FromWorker) -> Vec<u8> {
    let one = encode(std::slice::from_ref(message)).unwrap().split_off(1);
    let count = (16 << 20) / one.len();
    // The number of messages stands before them, seven bits to a byte.
    let mut frame: Vec<u8> = [0, 7, 14, 21].map(|at| u8::try_from(count >> at & 0x7f).unwrap() | 0x80).to_vec();
    frame.push(0);
    frame.extend(one.repeat(count));
    frame
}

/// Dials in, and sends frames until the link ends, which it must.
async fn sends(server: &Server, frames: Vec<Vec<u8>>) {
    let url = link_url(&server.origin()).unwrap();
    let Transport { mut reader, mut writer, .. } = dial(&url, Some(&Secret::new("w0rker"))).await.unwrap();
    for frame in frames {
        if writer.write(frame.into()).await.is_err() {
            break;
        }
    }
    while reader.read(1 << 20).await.is_ok() {}
}

#[tokio::test]
async fn a_flood_of_messages_on_a_link_costs_about_as_much_as_its_frame() {
    let server = Server::with(|config| config.worker_token = Some(Secret::new("w0rker"))).await;
    let key = AttemptKey { execution: ExecutionId(1), attempt: AttemptNo(1) };
    let (activity, revision) = (ActivityId(1), RevisionNo(1));
    for message in [
        FromWorker::Heartbeat,
        FromWorker::Running { key, at: Timestamp(0) },
        FromWorker::Removed { activity, revision },
        FromWorker::Recalled { key },
        FromWorker::Goodbye { reason: String::new() },
    ] {
        let frames = vec![hello(0), flood(&message)];
        let (cost, ()) = cost_of(sends(&server, frames)).await;
        // The frame is also in this process where it comes from.
        assert!(cost < 128 << 20, "16 MiB of {message:?} cost {} MiB", cost >> 20);
    }
    assert_eq!(server.get("/readyz").await.status(), 200);
}

#[tokio::test]
async fn who_has_not_said_hello_is_not_listened_to_for_long() {
    let server = Server::with(|config| config.worker_token = Some(Secret::new("w0rker"))).await;
    for frame in [flood(&FromWorker::Heartbeat), hello(1 << 20)] {
        let one = sends(&server, vec![frame.clone()]);
        within(one).await;
        let (cost, ()) = cost_of(half_sent(&server, &frame)).await;
        assert!(cost < 8 << 20, "a first frame costs {} MiB", cost >> 20);
    }
}

/// Sends a first frame piece by piece, so that nothing but the manager keeps it, until the link is cut.
async fn half_sent(server: &Server, frame: &[u8]) {
    let address = server.origin().strip_prefix("http://").unwrap().to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "GET /api/v1/worker-link HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer w0rker\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    // One whole binary message, masked with zeros, with its length in eight bytes.
    let mut start = vec![0x82, 0xff];
    start.extend((frame.len() as u64).to_be_bytes());
    start.extend([0; 4]);
    let mut sent = 0;
    if stream.write_all(&start).await.is_ok() {
        for piece in frame.chunks(16 << 10) {
            if stream.write_all(piece).await.is_err() {
                break;
            }
            sent += piece.len();
        }
    }
    // What the system keeps on the way is not the manager's.
    assert!(sent < frame.len(), "it was taken to its end");
}

/// A batch of so many inputs, as text: the same for each.
fn batch(count: usize, input: &str) -> bytes::Bytes {
    let mut body = String::with_capacity(count * (input.len() + 3) + 64);
    body.push_str(r#"{"activity":"a","inputs":["#);
    body.push_str(&format!("\"{input}\",").repeat(count));
    body.pop();
    body.push_str("]}");
    body.into()
}

#[tokio::test]
async fn a_batch_costs_a_small_multiple_of_its_body() {
    let server = Server::start().await;
    server.approved("a", "echo 'true' > main.sh").await;
    for (what, body, expected) in [
        ("very many small inputs", batch(61 << 16, "x"), 422),
        ("many inputs", batch(100_000, &"x".repeat(600)), 201),
        ("few large inputs", batch(61, &"x".repeat(1_000_000)), 201),
    ] {
        let length = body.len() as u64;
        let request = server.request("POST", "/api/v1/executions/batch").header("content-type", "application/json");
        let (cost, answer) = cost_of(request.body(body).send()).await;
        assert_eq!(answer.unwrap().status(), expected, "{what}");
        assert!(cost < 5 * length, "{what}: {} MiB cost {} MiB", length >> 20, cost >> 20);
    }
}

#[tokio::test]
async fn forms_of_very_many_fields_are_refused() {
    let server = Server::start().await;
    let form = |path: &str, body: String| {
        let request = server.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        cost_of(request.body(body).send())
    };
    let (cost, answer) = form("/POD", "a&".repeat(1 << 20)).await;
    assert_eq!(answer.unwrap().status(), 200, "as every sentence of this API");
    assert!(cost < 16 << 20, "it costs {} MiB", cost >> 20);
    let (cost, answer) = form("/activities/a/run", "a&".repeat(15 << 20)).await;
    assert_eq!(answer.unwrap().status(), 422);
    assert!(cost < 128 << 20, "it costs {} MiB", cost >> 20);
}

#[tokio::test]
async fn an_environment_of_very_many_variables_is_refused() {
    let server = Server::start().await;
    let variables: String = (0..4 << 20).map(|at| format!("\"{at:x}\":\"\",")).collect();
    let body = format!(r#"{{"name":"a","script":"true","env":{{{}"last":""}}}}"#, variables);
    let length = body.len() as u64;
    let request = server.request("POST", "/api/v1/activities").header("content-type", "application/json");
    let (cost, answer) = cost_of(request.body(body).send()).await;
    assert_eq!(answer.unwrap().status(), 422);
    assert!(cost < 2 * length, "{} MiB cost {} MiB", length >> 20, cost >> 20);
}

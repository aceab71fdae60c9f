//! What strangers send costs about as much as they send, and is answered at once.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

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

//! Archives of directories: what the sieve lets through can be unpacked without reaching out.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Component, Path},
};

use flate2::{Compression, write::GzEncoder};
use pod_core::archive::{Kind, LONGEST_PATH, Sieve};

/// Takes bytes as they are where they are packed, else as a tar, with sums that are right: a mutation that only
/// breaks a sum finds nothing.
pub(super) fn archive(data: &[u8]) {
    if data.starts_with(&[0x1f, 0x8b]) {
        return check(data);
    }
    let mut tar = data.to_vec();
    for header in tar.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&tar).expect("memory takes it");
    check(&encoder.finish().expect("memory takes it"));
}

/// What would lie there, were it unpacked.
#[derive(PartialEq)]
enum Lies {
    Directory,
    File,
    Link,
}

fn check(archive: &[u8]) {
    pod_web::fuzz::archive(archive);
    // Far less than is allowed, so that a run is short.
    let mut sieve = Sieve::at_most(archive, 8 << 20);
    let mut there: BTreeMap<Vec<u8>, Lies> = BTreeMap::new();
    loop {
        let entry = match sieve.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => return,
            Err(refused) => {
                let sentence = refused.sentence();
                assert!(sentence.starts_with("The archive") && sentence.len() < 4000, "{sentence}");
                assert!(!sentence.contains(char::is_control), "{sentence:?}");
                return;
            }
        };
        let path = std::str::from_utf8(&entry.path).map(Path::new);
        if let Ok(path) = path {
            assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
        }
        assert!(!entry.path.is_empty() && entry.path.len() <= LONGEST_PATH && !entry.path.contains(&0));
        if let Some(end) = entry.path.iter().rposition(|byte| *byte == b'/') {
            assert!(there.get(&entry.path[..end]) == Some(&Lies::Directory), "{entry:?} lies in no directory");
        }
        let was = there.get(&entry.path);
        assert_eq!(was.is_some(), entry.replaces);
        let lies = match &entry.kind {
            Kind::Directory => Lies::Directory,
            Kind::File { size } => {
                let mut read = 0;
                if sieve.read_all(|piece| read += piece.len() as u64).is_err() {
                    return;
                }
                assert_eq!(read, *size);
                Lies::File
            }
            Kind::SameAs { target } => {
                assert!(there.get(target) == Some(&Lies::File) && *target != entry.path, "{entry:?}");
                Lies::File
            }
            Kind::Link { target } => {
                assert!(stays(&entry.path, target), "{entry:?}");
                Lies::Link
            }
        };
        assert!(was.is_none_or(|was| (*was == Lies::Directory) == (lies == Lies::Directory)), "{entry:?}");
        there.insert(entry.path, lies);
    }
}

/// Whether a link leads nowhere above the top, step by step.
fn stays(path: &[u8], target: &[u8]) -> bool {
    let mut depth = path.iter().filter(|byte| **byte == b'/').count() as i64;
    !target.starts_with(b"/")
        && target.split(|byte| *byte == b'/').all(|part| {
            match part {
                b"" | b"." => {}
                b".." => depth -= 1,
                _ => depth += 1,
            }
            depth >= 0
        })
}

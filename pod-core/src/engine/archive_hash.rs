//! What tells one directory from another: its content, not the bytes of the archive that carries it.
//!
//! Two archives of the same directory differ by times, owners, order and compression, and nothing of that is run. What
//! counts are the paths, the bytes of files and whether they may be executed, and where links lead.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::archive::{Kind, Refused, Sieve};

/// Goes in first, so that the sum of a directory is never that of something else.
const MARK: &[u8] = b"POD directory 1\0";

/// The sha256 of a directory's content, from its tar.gz, in hexadecimal, or why no activity can be made of that. Blocks
/// for as long as it takes to unpack, and no longer than somebody waits for it.
pub(super) fn sha256(archive: &[u8], given_up: &CancellationToken) -> Result<String, Refused> {
    let mut sieve = Sieve::new(archive);
    let mut nodes = BTreeMap::new();
    let mut piece = vec![0; 64 << 10];
    while let Some(entry) = sieve.next_entry()? {
        let node = match entry.kind {
            Kind::Directory => Node::Directory,
            Kind::File { .. } => {
                let mut sum = Sha256::new();
                loop {
                    if given_up.is_cancelled() {
                        return Err(Refused::Broken("nobody waits for it to be read".to_owned()));
                    }
                    match sieve.read(&mut piece)? {
                        0 => break,
                        read => sum.update(&piece[..read]),
                    }
                }
                Node::File { executable: entry.mode & 0o111 != 0, sha256: sum.finalize().into() }
            }
            Kind::Link { target } => Node::Link(target),
            // The same file under another name is unpacked, and packed again, as a file.
            Kind::SameAs { target } => match nodes.get(&target) {
                Some(Node::File { executable, sha256 }) => Node::File { executable: *executable, sha256: *sha256 },
                _ => continue,
            },
        };
        nodes.insert(entry.path, node);
    }
    Ok(format!("{:x}", sum(&nodes)))
}

enum Node {
    Directory,
    File { executable: bool, sha256: [u8; 32] },
    Link(Vec<u8>),
}

fn sum(nodes: &BTreeMap<Vec<u8>, Node>) -> sha2::digest::Output<Sha256> {
    let mut sum = Sha256::new_with_prefix(MARK);
    // Each part with its length: two lists of parts never give the same bytes.
    let mut part = |bytes: &[u8]| {
        sum.update((bytes.len() as u64).to_le_bytes());
        sum.update(bytes);
    };
    for (path, node) in nodes {
        part(path);
        match node {
            Node::Directory => part(b"directory"),
            Node::File { executable, sha256 } => {
                part(if *executable { b"program" } else { b"file" });
                part(sha256);
            }
            Node::Link(target) => {
                part(b"link");
                part(target);
            }
        }
    }
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use tar::EntryType;

    use super::*;

    /// One file of an archive: name, mode, content.
    type Entry<'a> = (&'a str, u32, &'a str);

    fn packed(entries: &[Entry<'_>], mtime: u64, compression: Compression) -> Vec<u8> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), compression));
        for (name, mode, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(*mode);
            header.set_mtime(mtime);
            header.set_uid(mtime % 7);
            let (kind, size) = match (name.ends_with('/'), content.strip_prefix("-> ")) {
                (true, _) => (EntryType::Directory, 0),
                (false, Some(_)) => (EntryType::Symlink, 0),
                (false, None) => (EntryType::Regular, content.len() as u64),
            };
            header.set_entry_type(kind);
            header.set_size(size);
            match content.strip_prefix("-> ") {
                Some(target) => archive.append_link(&mut header, name, target).unwrap(),
                None => archive.append_data(&mut header, name, content.as_bytes()).unwrap(),
            }
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    fn hash(archive: &[u8]) -> String {
        sha256(archive, &CancellationToken::new()).unwrap()
    }

    const MAIN: Entry<'_> = ("main.sh", 0o755, "echo hi");
    const DATA: Entry<'_> = ("lib/data", 0o644, "data");
    const LINK: Entry<'_> = ("lib/link", 0o777, "-> data");

    #[test]
    fn the_same_directory_is_the_same_however_it_was_packed() {
        let first = hash(&packed(&[MAIN, DATA, LINK], 0, Compression::best()));
        let dotted = [
            ("./", 0o755, ""),
            ("./lib/", 0o700, ""),
            ("./lib/link", 0o777, "-> data"),
            ("./lib/data", 0o600, "data"),
            ("./main.sh", 0o700, "echo hi"),
        ];
        assert_eq!(hash(&packed(&dotted, 1_700_000_000, Compression::none())), first);
        let again = [("main.sh", 0o644, "old"), MAIN, DATA, LINK];
        assert_eq!(hash(&packed(&again, 9, Compression::fast())), first, "the last of a name counts");
    }

    #[test]
    fn what_runs_differently_is_another_one() {
        let some = |entries: &[Entry<'_>]| hash(&packed(entries, 0, Compression::fast()));
        let all = [
            some(&[MAIN, DATA, LINK]),
            some(&[MAIN, DATA]),
            some(&[MAIN, ("lib/data", 0o755, "data"), LINK]),
            some(&[MAIN, ("lib/data", 0o644, "datA"), LINK]),
            some(&[MAIN, ("lib/other", 0o644, "data"), LINK]),
            some(&[MAIN, DATA, ("lib/link", 0o777, "-> ./data")]),
            some(&[MAIN, DATA, LINK, ("empty/", 0o755, "")]),
            some(&[MAIN, DATA, ("lib/link", 0o644, "data")]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "directory {at} is taken for another one");
        }
    }

    #[test]
    fn a_directory_has_the_sum_that_it_had_in_earlier_releases() {
        let known = "33c4dd8e1f98325bf3e92bcfd7b706c1684f2d502222b005cc5c1cffdd516f50";
        assert_eq!(hash(&packed(&[MAIN, DATA, LINK], 0, Compression::fast())), known);
    }

    #[test]
    fn what_nobody_waits_for_is_not_read_on() {
        let given_up = CancellationToken::new();
        given_up.cancel();
        assert!(sha256(&packed(&[MAIN, DATA], 0, Compression::fast()), &given_up).is_err());
    }
}

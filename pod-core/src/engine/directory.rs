//! What tells one directory from another: its content, not the bytes of the archive that carries it.
//!
//! Two archives of the same directory differ by times, owners, order and compression, and nothing of that is run. What
//! counts are the paths, the bytes of files and whether they may be executed, and where links lead.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Component, Path},
};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use tar::EntryType;

/// How much is unpacked to find out: what is larger is known by the bytes of its archive.
const MOST_BYTES: u64 = 512 << 20;
/// Goes in first, so that the sum of a directory is never that of something else.
const MARK: &[u8] = b"POD directory 1\0";

/// The sha256 of a directory's content, from its tar.gz, in hexadecimal; that of the bytes where they are no archive
/// that could be read to its end. Blocks for as long as it takes to unpack.
pub(super) fn sha256(archive: &[u8]) -> String {
    format!("{:x}", content(archive).unwrap_or_else(|_| Sha256::digest(archive)))
}

enum Node {
    Directory,
    File {
        executable: bool,
        sha256: [u8; 32],
    },
    Link(Vec<u8>),
    /// What no directory of an activity may hold: refused where it is installed.
    Other(u8),
}

fn content(archive: &[u8]) -> io::Result<sha2::digest::Output<Sha256>> {
    let mut tar = tar::Archive::new(GzDecoder::new(archive).take(MOST_BYTES));
    let mut nodes = BTreeMap::new();
    for entry in tar.entries()? {
        let mut entry = entry?;
        let path = normal(&entry.path()?);
        let kind = entry.header().entry_type();
        let node = match kind {
            EntryType::XGlobalHeader => continue,
            EntryType::Directory => Node::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let executable = entry.header().mode()? & 0o111 != 0;
                let mut sum = Sha256::new();
                io::copy(&mut entry, &mut sum)?;
                Node::File { executable, sha256: sum.finalize().into() }
            }
            EntryType::Symlink => Node::Link(entry.link_name_bytes().map(|name| name.to_vec()).unwrap_or_default()),
            EntryType::Link => {
                let target = entry.link_name()?.map(|target| normal(&target)).unwrap_or_default();
                match nodes.get(&target) {
                    // The same file under another name is unpacked, and packed again, as a file.
                    Some(Node::File { executable, sha256 }) => Node::File { executable: *executable, sha256: *sha256 },
                    _ => return Err(io::Error::other("a link to a file that does not come before it")),
                }
            }
            other => Node::Other(other.as_byte()),
        };
        // An archive need not name the directories that its files are in.
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            nodes.entry(path[..at].to_vec()).or_insert(Node::Directory);
        }
        if !path.is_empty() {
            nodes.insert(path, node);
        }
    }
    if tar.into_inner().limit() == 0 {
        return Err(io::Error::other("too much"));
    }
    Ok(sum(&nodes))
}

/// A path without what does not change where it leads.
fn normal(path: &Path) -> Vec<u8> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().as_encoded_bytes()).collect::<Vec<_>>().join(&b'/')
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
            Node::Other(kind) => part(&[*kind]),
        }
    }
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

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

    const MAIN: Entry<'_> = ("main.sh", 0o755, "echo hi");
    const DATA: Entry<'_> = ("lib/data", 0o644, "data");
    const LINK: Entry<'_> = ("lib/link", 0o777, "-> data");

    #[test]
    fn the_same_directory_is_the_same_however_it_was_packed() {
        let first = sha256(&packed(&[MAIN, DATA, LINK], 0, Compression::best()));
        let dotted = [
            ("./", 0o755, ""),
            ("./lib/", 0o700, ""),
            ("./lib/link", 0o777, "-> data"),
            ("./lib/data", 0o600, "data"),
            ("./main.sh", 0o700, "echo hi"),
        ];
        assert_eq!(sha256(&packed(&dotted, 1_700_000_000, Compression::none())), first);
        let again = [("main.sh", 0o644, "old"), MAIN, DATA, LINK];
        assert_eq!(sha256(&packed(&again, 9, Compression::fast())), first, "the last of a name counts");
    }

    #[test]
    fn what_runs_differently_is_another_one() {
        let some = |entries: &[Entry<'_>]| sha256(&packed(entries, 0, Compression::fast()));
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
    fn what_is_no_archive_is_known_by_its_bytes() {
        let whole = packed(&[MAIN, DATA], 0, Compression::fast());
        let cut = &whole[..whole.len() / 2];
        assert_eq!(sha256(cut), format!("{:x}", Sha256::digest(cut)));
        let mut other = GzEncoder::new(Vec::new(), Compression::fast());
        other.write_all(b"no tar").unwrap();
        assert_ne!(sha256(&other.finish().unwrap()), sha256(cut));
    }
}

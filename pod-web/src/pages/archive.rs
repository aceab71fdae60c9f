//! Lists the archive of a directory: names and sizes, and the text of readable files.

use pod_core::archive::{Kind, Refused, Sieve};
use sha2::{Digest, Sha256};

/// Bytes that are unpacked at most.
const MAX_UNPACKED_SIZE: u64 = 256 << 20;
/// Files that are listed.
const MAX_FILES: usize = 2000;
/// The largest file whose text is kept.
const MAX_TEXT_LEN: u64 = 64 << 10;
/// Text of all files together.
const MAX_TOTAL_TEXT_LEN: usize = 4 << 20;

/// A file of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) size: u64,
    /// What it holds, where it is text and not long.
    pub(crate) text: Option<String>,
    /// Tells other content, whatever it is.
    pub(crate) hash: [u8; 32],
}

/// The content of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    /// By path.
    pub(crate) files: Vec<File>,
    /// There are more than are told.
    pub(crate) cut: bool,
}

impl Directory {
    /// Reads an archive as far as it can be read. It takes its time: not on a thread that serves others.
    pub(crate) fn of(archive: &[u8]) -> Self {
        let mut directory = Self::default();
        if directory.read(archive).is_err() {
            directory.cut = true;
        }
        directory.files.sort_by(|a, b| a.path.cmp(&b.path));
        directory
    }

    fn read(&mut self, archive: &[u8]) -> Result<(), Refused> {
        let mut sieve = Sieve::at_most(archive, MAX_UNPACKED_SIZE);
        let mut texts = 0;
        while let Some(entry) = sieve.next_entry()? {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            let size = match entry.kind {
                Kind::Directory => continue,
                _ if self.files.len() >= MAX_FILES => {
                    self.cut = true;
                    return Ok(());
                }
                Kind::Link { target } | Kind::SameAs { target } => {
                    let text = format!("link to {}", String::from_utf8_lossy(&target));
                    self.files.push(File { path, size: 0, hash: Sha256::digest(&text).into(), text: Some(text) });
                    continue;
                }
                Kind::File { size } => size,
            };
            let mut hash = Sha256::new();
            let mut bytes = (size <= MAX_TEXT_LEN && texts < MAX_TOTAL_TEXT_LEN).then(Vec::new);
            sieve.read_all(|piece| {
                hash.update(piece);
                if let Some(bytes) = &mut bytes {
                    bytes.extend_from_slice(piece);
                }
            })?;
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.contains('\0'));
            texts += text.as_ref().map_or(0, String::len);
            self.files.push(File { path, size, text, hash: hash.finalize().into() });
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    pub(crate) fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, *content).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn files_are_told_by_path_with_their_text() {
        let long = vec![b'x'; 100_000];
        let archive = packed(&[("main.sh", b"echo hi\n"), ("b/data", b"\0\xff"), ("a.txt", &long)]);
        let directory = Directory::of(&archive);
        let told: Vec<_> =
            directory.files.iter().map(|file| (file.path.as_str(), file.size, file.text.as_deref())).collect();
        assert_eq!(told, [("a.txt", 100_000, None), ("b/data", 2, None), ("main.sh", 8, Some("echo hi\n"))]);
        assert!(!directory.cut);
        let half = Directory::of(&archive[..archive.len() / 2]);
        assert!(half.cut, "what cannot be read to its end says so");
        assert!(Directory::of(b"no archive").cut);
    }
}

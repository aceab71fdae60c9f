//! What is in the archive of a directory: names and sizes, and the text of files that people read.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

/// How much is unpacked to find out.
const LOOKED_AT: u64 = 256 << 20;
/// How many files are told.
const MOST: usize = 2000;
/// The longest file whose text is kept.
const LONGEST_TEXT: u64 = 64 << 10;
/// How much text is kept of all files together.
const ALL_TEXT: usize = 4 << 20;

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

/// What was found.
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

    fn read(&mut self, archive: &[u8]) -> io::Result<()> {
        let mut tar = tar::Archive::new(GzDecoder::new(archive).take(LOOKED_AT));
        let mut texts = 0;
        for entry in tar.entries()? {
            let mut entry = entry?;
            let kind = entry.header().entry_type();
            if kind.is_dir() || kind.is_pax_global_extensions() {
                continue;
            }
            if self.files.len() >= MOST {
                self.cut = true;
                return Ok(());
            }
            let path = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
            let size = entry.size();
            if let Some(target) = entry.link_name_bytes() {
                let text = format!("link to {}", String::from_utf8_lossy(&target));
                self.files.push(File { path, size, hash: Sha256::digest(&text).into(), text: Some(text) });
                continue;
            }
            let mut hash = Sha256::new();
            let mut text = None;
            if size <= LONGEST_TEXT && texts < ALL_TEXT {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                hash.update(&bytes);
                text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
                texts += text.as_ref().map_or(0, String::len);
            } else {
                io::copy(&mut entry, &mut hash)?;
            }
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

//! Directories that are excluded from a packed program because POD itself writes into them.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// A directory that POD itself writes into, and the option that names it.
#[derive(Clone, Debug)]
pub(crate) struct ExcludedDir {
    pub(crate) path: PathBuf,
    pub(crate) option: &'static str,
}

impl ExcludedDir {
    /// Its possible paths, whether it exists yet or not: the real one, and that of a link to it.
    pub(crate) fn places(&self) -> impl Iterator<Item = PathBuf> {
        let absolute = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let link = absolute.parent().and_then(|parent| parent.canonicalize().ok()).zip(absolute.file_name());
        absolute.canonicalize().ok().into_iter().chain(link.map(|(parent, name)| parent.join(name)))
    }
}

/// Whether POD has written a directory, at whatever time: a data directory, or the results of a map.
pub(crate) fn is_pods_own(dir: &Path) -> bool {
    let is_data = || dir.join("manager.lock").is_file() && dir.join("pod.db").is_file();
    let is_results = || {
        let mut beginning = [0; ORIGIN_PREFIX.len()];
        File::open(dir.join("1.made")).and_then(|mut made| made.read_exact(&mut beginning)).is_ok()
            && beginning == *ORIGIN_PREFIX
    };
    is_data() || is_results()
}

/// The beginning of the file that records the origin of a result.
const ORIGIN_PREFIX: &[u8; 8] = b"{\"line\":";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn pods_own_directories_are_known_by_what_is_in_them() {
        let temporary = tempfile::tempdir().expect("a directory");
        let dir = |name: &str, files: &[(&str, &str)]| {
            let dir = temporary.path().join(name);
            fs::create_dir(&dir).expect("made");
            files.iter().for_each(|(name, content)| fs::write(dir.join(name), content).expect("written"));
            dir
        };
        assert!(is_pods_own(&dir("data", &[("manager.lock", ""), ("pod.db", "")])));
        assert!(is_pods_own(&dir("out", &[("1.out", "x"), ("1.made", "{\"line\":\"a\",\"program\":\"p\"}\n")])));
        assert!(!is_pods_own(&dir("theirs", &[("pod.db", ""), ("1.made", "by hand"), ("1.out", "x")])));
        assert!(!is_pods_own(&temporary.path().join("1.made")));
    }
}

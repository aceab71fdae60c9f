//! What of a directory is no part of the program in it: what POD itself writes there.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// A directory that POD itself writes into, and the option that names it.
#[derive(Clone, Debug)]
pub(crate) struct LeftOut {
    pub(crate) path: PathBuf,
    pub(crate) option: &'static str,
}

impl LeftOut {
    /// Where it lies, whether it is there by now or not: itself, and the link that it may be named by.
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
        let mut beginning = [0; RESULT.len()];
        File::open(dir.join("1.made")).and_then(|mut made| made.read_exact(&mut beginning)).is_ok()
            && beginning == *RESULT
    };
    is_data() || is_results()
}

/// How a note begins that says what made a result.
const RESULT: &[u8; 8] = b"{\"line\":";

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

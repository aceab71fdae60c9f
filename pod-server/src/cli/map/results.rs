//! Results in a directory: `17.out`, `17.err` and `17.exit` for line 17, and `17.made`, which records the line and the
//! program that made them.
//!
//! `17.exit` marks the others as complete: it is removed first and written last. So a result that exists is complete and
//! matches `17.made`, wherever a map was interrupted.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use pod_core::domain::Stream;
use serde::{Deserialize, Serialize};
use tokio::{fs::File, io::AsyncWriteExt};

use crate::cli::failure::Failure;

/// The endings of the files of a line, the sign of completeness first.
const EXTENSIONS: [&str; 4] = ["exit", "out", "err", "made"];

/// Where results go: into a directory, or nowhere (to stdout, that is). Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Results(Option<Arc<Directory>>);

/// A directory that no other map writes to meanwhile.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    /// Locked until this is dropped, or the process has ended.
    _lock: fs::File,
}

/// The input and the program that made a result.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResultOrigin {
    /// The line.
    pub(super) line: String,
    /// A fingerprint of the program and its settings.
    pub(super) program: String,
}

/// The result of a line that an earlier run left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EarlierResult {
    /// It succeeded.
    Succeeded,
    /// Another line, another program or other settings succeeded.
    Changed,
    /// Nothing that can be kept.
    Open,
}

impl Results {
    /// Results in that directory, which is made where it does not exist. A failure where another map is at work there, or
    /// files have the names of results and no map has made them.
    pub(super) fn new(directory: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = directory else { return Ok(Self(None)) };
        let unusable = |error: io::Error| failed(path, &error);
        if path.is_file() {
            return Err(Failure::new(format!("{} is a file; name a directory with --results", path.display())));
        }
        fs::create_dir_all(path).map_err(unusable)?;
        let lock = fs::File::open(path).map_err(unusable)?;
        if let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
            return Err(Failure::new(format!(
                "another pod map is writing its results to {}; wait for its end, or choose another directory with \
                 --results",
                path.display()
            )));
        }
        if let Some(theirs) = foreign(path)? {
            return Err(Failure::new(format!(
                "{} has the name of a result, and no map has made it; move it away, or choose another directory with \
                 --results",
                path.join(theirs).display()
            )));
        }
        Ok(Self(Some(Arc::new(Directory { path: path.to_owned(), _lock: lock }))))
    }

    pub(super) const fn is_directory(&self) -> bool {
        self.0.is_some()
    }

    /// Takes away what earlier runs left of all lines with a higher number.
    pub(super) async fn clear_after(&self, last: u64) -> Result<(), Failure> {
        let Some(directory) = self.0.clone() else { return Ok(()) };
        let clearing = tokio::task::spawn_blocking(move || clear_after(&directory.path, last));
        clearing.await.unwrap_or_else(|error| Err(Failure::new(error.to_string())))
    }

    /// Whether the result of a line is there from an earlier run, and good.
    pub(super) fn standing(&self, number: u64, made: &ResultOrigin) -> EarlierResult {
        let read = |ending| fs::read_to_string(self.path(number, ending));
        if self.0.is_none() || !read("exit").is_ok_and(|word| word.trim() == "0") {
            return EarlierResult::Open;
        }
        let by: Option<ResultOrigin> = read("made").ok().and_then(|text| serde_json::from_str(&text).ok());
        if by.as_ref() == Some(made) { EarlierResult::Succeeded } else { EarlierResult::Changed }
    }

    /// Deletes the result of a line, and records the fingerprint that will make the next one.
    pub(super) fn begin(&self, number: u64, made: Option<&ResultOrigin>) -> Result<(), Failure> {
        if self.0.is_none() {
            return Ok(());
        }
        for ending in EXTENSIONS {
            remove(&self.path(number, ending))?;
        }
        let Some(made) = made else { return Ok(()) };
        let path = self.path(number, "made");
        let text = serde_json::to_string(made).map_err(io::Error::from);
        text.and_then(|text| fs::write(&path, text + "\n")).map_err(|error| failed(&path, &error))
    }

    /// A file for a stream of a line.
    pub(super) fn create(&self, number: u64, stream: Stream) -> ResultFile {
        let path = self.path(number, if stream == Stream::Stdout { "out" } else { "err" });
        let file = fs::File::create(&path).map(File::from_std);
        ResultFile { path, file }
    }

    /// Writes the exit code, or the sentence in its place, as the sign of completeness.
    pub(super) fn end(&self, number: u64, word: &str) -> Result<(), Failure> {
        let path = self.path(number, "exit");
        fs::write(&path, format!("{word}\n")).map_err(|error| failed(&path, &error))
    }

    fn path(&self, number: u64, ending: &str) -> PathBuf {
        self.0.as_deref().map_or(Path::new(""), |directory| &directory.path).join(format!("{number}.{ending}"))
    }
}

fn clear_after(directory: &Path, last: u64) -> Result<(), Failure> {
    let mut left: Vec<(usize, u64)> = all(directory)?.into_iter().filter(|(_, number)| *number > last).collect();
    // The signs of completeness before everything else.
    left.sort_unstable();
    left.iter().try_for_each(|(rank, number)| remove(&directory.join(format!("{number}.{}", EXTENSIONS[*rank]))))
}

/// A file that has the name of a result, and would be taken away or written over, where neither of those is there that each map writes first and last.
fn foreign(directory: &Path) -> Result<Option<String>, Failure> {
    let mut lines: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    all(directory)?.into_iter().for_each(|(rank, number)| lines.entry(number).or_default().push(rank));
    let is_ours = |ranks: &Vec<usize>| ranks.iter().any(|&rank| ["exit", "made"].contains(&EXTENSIONS[rank]));
    let theirs = lines.into_iter().filter(|(_, ranks)| !is_ours(ranks));
    let mut names =
        theirs.flat_map(|(number, ranks)| ranks.into_iter().map(move |rank| format!("{number}.{}", EXTENSIONS[rank])));
    Ok(names.find(|name| directory.join(name).is_file()))
}

/// All files that are named as results are: which of the endings, and the number of the line.
fn all(directory: &Path) -> Result<Vec<(usize, u64)>, Failure> {
    let unreadable = |error: io::Error| failed(directory, &error);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Some((number, ending)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        let rank = EXTENSIONS.iter().position(|known| *known == ending);
        // As we write them: not 007.out, nor 1e3.out.
        let number = number.parse::<u64>().ok().filter(|parsed| parsed.to_string() == number);
        found.extend(rank.zip(number));
    }
    Ok(found)
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, &error)),
        _ => Ok(()),
    }
}

/// A file of a result. Keeps its first error until it is closed, so that it is not taken for one of the connection.
pub(super) struct ResultFile {
    path: PathBuf,
    file: io::Result<File>,
}

impl ResultFile {
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        if let Ok(file) = &mut self.file
            && let Err(error) = file.write_all(bytes).await
        {
            self.file = Err(error);
        }
    }

    pub(super) async fn close(self) -> Result<(), Failure> {
        let closing = async { self.file?.flush().await };
        closing.await.map_err(|error| failed(&self.path, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{} cannot be written ({error}); choose another directory with --results", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(line: &str, program: &str) -> ResultOrigin {
        ResultOrigin { line: line.to_owned(), program: program.to_owned() }
    }

    #[tokio::test]
    async fn only_a_complete_result_of_the_same_line_and_program_counts() {
        let temporary = tempfile::tempdir().expect("a directory");
        let results = Results::new(Some(&temporary.path().join("out"))).expect("made");
        let ours = made("a", "p");
        assert_eq!(results.standing(1, &ours), EarlierResult::Open);
        results.begin(1, Some(&ours)).expect("begun");
        let mut file = results.create(1, Stream::Stdout);
        file.write(b"hello").await;
        file.close().await.expect("written");
        assert_eq!(results.standing(1, &ours), EarlierResult::Open);
        results.end(1, "0").expect("written");
        assert_eq!(results.standing(1, &ours), EarlierResult::Succeeded);
        assert_eq!(results.standing(1, &made("b", "p")), EarlierResult::Changed);
        assert_eq!(results.standing(1, &made("a", "q")), EarlierResult::Changed);
        fs::remove_file(temporary.path().join("out/1.made")).expect("removed");
        assert_eq!(results.standing(1, &ours), EarlierResult::Changed, "nobody knows what made it");
        results.begin(1, Some(&ours)).expect("removed");
        assert_eq!(results.standing(1, &ours), EarlierResult::Open);
        assert!(!temporary.path().join("out/1.out").exists());
        results.end(1, "3").expect("written");
        assert_eq!(results.standing(1, &ours), EarlierResult::Open);
        assert_eq!(Results::new(None).expect("none").standing(1, &ours), EarlierResult::Open);
    }

    #[tokio::test]
    async fn what_is_left_of_more_lines_goes_and_nothing_else() {
        let temporary = tempfile::tempdir().expect("a directory");
        for name in ["1.out", "1.made", "2.out", "2.exit", "10.err", "10.made", "007.out", "3.txt", "notes", "x.out"] {
            fs::write(temporary.path().join(name), "").expect("written");
        }
        Results::new(Some(temporary.path())).expect("there").clear_after(1).await.expect("cleared");
        let mut left: Vec<_> = fs::read_dir(temporary.path()).expect("read").flatten().map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, ["007.out", "1.made", "1.out", "3.txt", "notes", "x.out"]);
    }

    #[test]
    fn what_no_map_has_made_is_not_touched() {
        let temporary = tempfile::tempdir().expect("a directory");
        fs::write(temporary.path().join("100.out"), "mine").expect("written");
        let message = Results::new(Some(temporary.path())).expect_err("refused").to_string();
        assert!(message.contains("100.out") && message.contains("no map has made it"), "{message}");
        fs::write(temporary.path().join("100.exit"), "0").expect("written");
        let first = Results::new(Some(temporary.path())).expect("of a map of before");
        let message = Results::new(Some(temporary.path())).expect_err("refused").to_string();
        assert!(message.contains("another pod map"), "{message}");
        drop(first);
        Results::new(Some(temporary.path())).expect("free again");
    }

    #[test]
    fn a_directory_that_cannot_be_made_gets_a_sentence() {
        let message = Results::new(Some(Path::new("/dev/null/out"))).expect_err("no directory").to_string();
        assert!(message.contains("choose another directory"), "{message}");
    }
}

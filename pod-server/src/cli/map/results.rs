//! Results in a directory: `17.out`, `17.err` and `17.exit` for line 17.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use pod_core::domain::Stream;
use tokio::{fs::File, io::AsyncWriteExt};

use crate::cli::failure::Failure;

/// Where results go: into a directory, or nowhere (to stdout, that is). Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Results(Option<PathBuf>);

impl Results {
    /// Results in that directory, which is made where it does not exist.
    pub(super) fn new(directory: Option<&Path>) -> Result<Self, Failure> {
        if let Some(directory) = directory {
            fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
        }
        Ok(Self(directory.map(Path::to_owned)))
    }

    pub(super) const fn is_directory(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the result of a line is there from an earlier run, and good.
    pub(super) fn has_succeeded(&self, number: u64) -> bool {
        self.0.is_some() && fs::read_to_string(self.path(number, "exit")).is_ok_and(|word| word.trim() == "0")
    }

    /// Takes the sign of completeness away.
    pub(super) fn begin(&self, number: u64) -> Result<(), Failure> {
        let path = self.path(number, "exit");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, &error)),
            _ => Ok(()),
        }
    }

    /// A file for a stream of a line.
    pub(super) fn create(&self, number: u64, stream: Stream) -> ResultFile {
        let suffix = match stream {
            Stream::Stdout => "out",
            Stream::Stderr => "err",
        };
        let path = self.path(number, suffix);
        let file = fs::File::create(&path).map(File::from_std);
        ResultFile { path, file }
    }

    /// Writes the exit code, or the sentence in its place, as the sign of completeness.
    pub(super) fn end(&self, number: u64, word: &str) -> Result<(), Failure> {
        let path = self.path(number, "exit");
        fs::write(&path, format!("{word}\n")).map_err(|error| failed(&path, &error))
    }

    fn path(&self, number: u64, suffix: &str) -> PathBuf {
        self.0.as_deref().unwrap_or(Path::new("")).join(format!("{number}.{suffix}"))
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

    #[tokio::test]
    async fn only_a_complete_result_with_code_0_counts() {
        let temporary = tempfile::tempdir().expect("a directory");
        let results = Results::new(Some(&temporary.path().join("out"))).expect("made");
        assert!(!results.has_succeeded(1));
        let mut file = results.create(1, Stream::Stdout);
        file.write(b"hello").await;
        file.close().await.expect("written");
        assert!(!results.has_succeeded(1));
        results.end(1, "0").expect("written");
        assert!(results.has_succeeded(1));
        results.begin(1).expect("removed");
        assert!(!results.has_succeeded(1));
        results.end(1, "3").expect("written");
        assert!(!results.has_succeeded(1));
        assert!(!Results::new(None).expect("none").has_succeeded(1));
    }

    #[test]
    fn a_directory_that_cannot_be_made_gets_a_sentence() {
        let message = Results::new(Some(Path::new("/dev/null/out"))).expect_err("no directory").to_string();
        assert!(message.contains("choose another directory"), "{message}");
    }
}

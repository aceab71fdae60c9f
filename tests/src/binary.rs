//! The `pod` binary, as a person would run it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::leftovers::end_all;

/// The binary with a data directory of its own. Dropping it ends every process of that directory.
#[derive(Debug)]
pub struct Pod {
    directory: TempDir,
}

/// What a command left: its exit code and what it printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; absent after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Pod {
    /// A fresh data directory, on a real disk.
    ///
    /// # Panics
    ///
    /// Where none can be made: there is nothing to test then.
    #[must_use]
    pub fn new() -> Self {
        let beside = binary().parent().map(Path::to_owned).unwrap_or_else(std::env::temp_dir);
        let directory =
            tempfile::Builder::new().prefix("pod-test-").tempdir_in(beside).expect("a directory can be made");
        Self { directory }
    }

    /// Where everything of it is kept.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A command of the binary, from the root of the repository, with nothing of this process's own settings.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(root()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POD")) {
            command.env_remove(name);
        }
        command.env("POD_DATA_DIR", self.data()).env("NO_COLOR", "1");
        command
    }

    /// Runs it to its end.
    ///
    /// # Panics
    ///
    /// Where the binary is missing.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().map(Ran::from).expect("the pod binary runs; tests/run builds it")
    }
}

impl Default for Pod {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        end_all(self.directory.path());
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The binary that was built beside this test: `target/PROFILE/pod`.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let profile = test.ancestors().find(|path| path.join("deps").is_dir());
    let pod = profile.unwrap_or(root()).join("pod");
    assert!(pod.is_file(), "{} is missing; tests/run builds it, or: cargo build --workspace --bins", pod.display());
    pod
}

//! The `pod` binary, as a person would run it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
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

    /// A path of that name beside the data directory, for whatever a test needs.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A directory of that name with this `main.sh`, to be run; returns its path as text.
    ///
    /// # Panics
    ///
    /// Where it cannot be made.
    pub fn program(&self, name: &str, main: &str) -> String {
        let directory = self.path(name);
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        std::fs::write(directory.join("main.sh"), main).expect("a file can be written");
        directory.to_str().expect("the path is text").to_owned()
    }

    /// Runs it to its end, with this on its stdin.
    ///
    /// # Panics
    ///
    /// Where the binary is missing.
    #[must_use]
    pub fn run_with(&self, arguments: &[&str], stdin: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the pod binary runs");
        let (mut pipe, bytes) = (child.stdin.take().expect("stdin is a pipe"), stdin.to_vec());
        // On a thread of its own: who refuses an input need not read it.
        let writing = std::thread::spawn(move || std::io::Write::write_all(&mut pipe, &bytes));
        let ran = child.wait_with_output().map(Ran::from).expect("it ends");
        let _ = writing.join();
        ran
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

/// The same command after something that a shell does first: `umask`, `ulimit`.
#[must_use]
pub fn after(first: &str, command: &Command) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{first} || exit 99; exec \"$0\" \"$@\"")]).arg(command.get_program());
    shell.args(command.get_args());
    same_surroundings(command, shell)
}

/// Gives a command the directory and the environment of another one.
pub(crate) fn same_surroundings(of: &Command, mut command: Command) -> Command {
    command.stdin(Stdio::null());
    if let Some(dir) = of.get_current_dir() {
        command.current_dir(dir);
    }
    for (name, value) in of.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The binary that was built beside this test: `target/PROFILE/pod`. Built now where it is missing or older than what
/// it is made of, so that a test of this package alone does not run yesterday's program.
fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let test = std::env::current_exe().unwrap_or_default();
            let profile = test.ancestors().find(|path| path.join("deps").is_dir()).unwrap_or(root());
            let pod = profile.join("pod");
            if !is_fresh(&pod) {
                let mut build = Command::new(env!("CARGO"));
                build.args(["build", "--quiet", "--workspace", "--bins"]).current_dir(root());
                if profile.ends_with("release") {
                    build.arg("--release");
                }
                let built = build.status().expect("cargo can be run");
                assert!(built.success(), "the pod binary cannot be built");
            }
            pod
        })
        .clone()
}

/// Whether the binary is newer than all its sources, which cargo lists beside it.
fn is_fresh(pod: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let Some(built) = changed(pod) else { return false };
    let Ok(list) = std::fs::read_to_string(pod.with_extension("d")) else { return false };
    let Some((_, sources)) = list.split_once(": ") else { return false };
    sources.split_whitespace().all(|source| changed(Path::new(source)).is_some_and(|changed| changed <= built))
}

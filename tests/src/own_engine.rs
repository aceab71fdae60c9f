//! A container engine of a test's own, that can be stopped, killed and filled up without harm to the one beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::server::{signal, wait};

/// How long the engine may take until it answers, or has ended.
const WITHIN: Duration = Duration::from_secs(60);

/// An engine that runs. Dropping it removes its containers and all that it kept.
#[derive(Debug)]
pub struct OwnEngine {
    dir: TempDir,
    bridge: String,
    live_restore: bool,
    daemon: Option<Child>,
}

impl OwnEngine {
    /// Starts one; nothing, and a word on stderr, where this process may not. `live_restore`: whether containers run on
    /// while the engine does not. `mebibytes`: how large the disk is that it keeps everything on; as that of the machine
    /// unless given.
    ///
    /// # Panics
    ///
    /// When it does not answer in time; with the end of what it said.
    #[must_use]
    pub fn start(live_restore: bool, mebibytes: Option<u32>) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only a privileged user can start an engine");
            return None;
        }
        // Not on the disk of the build: an engine lays its containers' files over each other, which not every disk can.
        let dir = tempfile::Builder::new().prefix("pod-engine-").tempdir_in("/tmp").expect("a directory can be made");
        let data = dir.path().join("data");
        fs::create_dir(&data).expect("a directory can be made");
        if let Some(mebibytes) = mebibytes {
            let size = format!("size={mebibytes}m");
            run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&data));
        }
        // A bridge of its own: an engine that is told to have none deletes that of the engine beside it.
        let bridge = format!("pod-e{}", std::process::id());
        run(Command::new("ip").args(["link", "add", &bridge, "type", "bridge"]));
        run(Command::new("ip").args(["address", "add", "10.212.0.1/24", "dev", &bridge]));
        let mut engine = Self { dir, bridge, live_restore, daemon: None };
        engine.go_on();
        Some(engine)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where its files are.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// For `DOCKER_HOST`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// Starts it again.
    ///
    /// # Panics
    ///
    /// When it does not answer in time; with the end of what it said.
    pub fn go_on(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.path("log")).expect("a file can be written");
        let mut daemon = Command::new("dockerd");
        for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            daemon.arg(option).arg(self.path(name));
        }
        daemon.args(["-H", &self.host(), "--bridge", &self.bridge, "--iptables=false", "--ip-masq=false"]);
        daemon.arg(format!("--live-restore={}", self.live_restore)).arg("--shutdown-timeout=5");
        let log_too = log.try_clone().expect("a second handle");
        daemon.stdin(Stdio::null()).stdout(log).stderr(log_too);
        self.daemon = Some(daemon.spawn().expect("dockerd is installed"));
        let deadline = Instant::now() + WITHIN;
        while self.ask(&["version"]).is_err() {
            if Instant::now() > deadline {
                let log = fs::read_to_string(self.path("log")).unwrap_or_default();
                panic!("the engine did not start: {}", &log[log.len().saturating_sub(2000)..]);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    pub fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        signal(daemon.id(), Signal::TERM);
        wait(&mut daemon, WITHIN).expect("the engine ends when it is asked to");
    }

    /// `kill -9`. What it has beside it ends with it; the next one takes that for alive until it is reaped.
    ///
    /// # Panics
    ///
    /// When that is not reaped in time.
    pub fn kill(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let _ = daemon.kill();
        let _ = daemon.wait();
        let beside = fs::read_to_string(self.path("exec/containerd/containerd.pid")).unwrap_or_default();
        let deadline = Instant::now() + WITHIN;
        while !beside.is_empty() && Path::new("/proc").join(beside.trim()).exists() {
            assert!(Instant::now() < deadline, "process {beside} is not reaped");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Copies an image of the usual engine.
    ///
    /// # Panics
    ///
    /// Where that has none of this name.
    pub fn load(&self, image: &str) {
        let host = self.host();
        let script = r#"set -o pipefail; docker save "$1" | docker -H "$2" load -q"#;
        run(Command::new("bash").args(["-c", script, "load", image, &host]).stdout(Stdio::null()));
    }

    /// Asks it by its own client; what that printed.
    ///
    /// # Errors
    ///
    /// What it printed on its standard error.
    pub fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        docker(&[&["-H", &self.host()], arguments].concat())
    }

    /// How many of these it has: `ps -aq`, `volume ls -q`, `images -q`.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    #[must_use]
    pub fn count(&self, list: &[&str]) -> usize {
        self.ask(list).expect("the engine answers").lines().count()
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        if self.daemon.is_none() {
            // Only the engine can end what it has left running.
            self.go_on();
        }
        for id in self.ask(&["ps", "-aq"]).unwrap_or_default().lines() {
            let _ = self.ask(&["rm", "-f", "-v", id]);
        }
        self.stop();
        // It leaves its network name space mounted.
        for mounted in mounts_below(self.dir.path()) {
            let _ = Command::new("umount").args(["-l"]).arg(mounted).status();
        }
        let _ = Command::new("ip").args(["link", "delete", &self.bridge]).status();
    }
}

/// Asks an engine by its own client, that of this machine where the arguments name no other; what that printed.
///
/// # Errors
///
/// What it printed on its standard error.
///
/// # Panics
///
/// Where there is no such client.
pub fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).output().expect("the client of the engine is installed");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// What is mounted there, the deepest first.
fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let paths = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    let mut found: Vec<PathBuf> = paths.filter(|path| path.starts_with(dir)).collect();
    found.sort();
    found.reverse();
    found
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

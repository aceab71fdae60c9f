//! The real manager, built for release, on a directory of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{client::Connection, measures::NAMES, options::Options, process, script};

/// Builds the `pod` binary as a user would, if a measure needs it; where it is.
pub(crate) fn build(options: &Options) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the tests lie in the workspace")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let pod = target.join("release/pod");
    if !NAMES.iter().any(|name| *name != "planner" && options.wants(name)) {
        return Ok(pod);
    }
    let built = std::process::Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--package", "pod-server", "--bin", "pod"])
        .current_dir(root)
        .status()?;
    ensure!(built.success(), "the pod binary could not be built");
    Ok(pod)
}

/// A directory on a real disk: what is synced into memory costs nothing and tells nothing.
pub(crate) fn directory() -> Result<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// A manager that runs until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
    /// How long it took until it accepted requests.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts `pod serve` with these further arguments, and waits until it listens.
    pub(crate) async fn start(pod: &Path, directory: &Path, arguments: &[&str]) -> Result<Self> {
        let begin = Instant::now();
        let mut child = Command::new(pod)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be run", pod.display()))?;
        let mut lines = BufReader::new(child.stderr.take().context("stderr is a pipe")?).lines();
        let mut told = Vec::new();
        let address = loop {
            let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await;
            let Some(line) = line.context("the manager did not listen within a minute")?? else {
                bail!("the manager ended: {}", told.join("\n"));
            };
            match line.split_once("listening on http://") {
                Some((_, address)) => break address.trim().parse()?,
                None => told.push(line),
            }
        };
        let started_in = begin.elapsed();
        // It must not be held up by a pipe that nobody reads.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, address, directory: directory.to_owned(), started_in })
    }

    pub(crate) async fn connect(&self) -> Result<Connection> {
        Connection::open(self.address).await
    }

    /// The process of the manager.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// The most memory that any process of its workers has had.
    pub(crate) fn most_resident_worker(&self) -> u64 {
        process::of_directory(&self.directory)
            .into_iter()
            .filter(|pid| *pid != self.pid())
            .map(process::most_resident)
            .max()
            .unwrap_or(0)
    }

    /// Registers an activity with this `main.sh`, and waits until it is approved.
    pub(crate) async fn activity(&self, name: &str, main: &str, settings: serde_json::Value) -> Result<()> {
        let mut connection = self.connect().await?;
        let mut body = json!({"name": name, "script": script::installing(main)});
        if let (Some(body), Some(settings)) = (body.as_object_mut(), settings.as_object()) {
            body.extend(settings.clone());
        }
        connection.post("/api/v1/activities", &body).await?;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let activity = connection.get(&format!("/api/v1/activities/{name}")).await?;
            match activity["status"].as_str() {
                Some("approved") => return Ok(()),
                Some("verifying") if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(10)).await,
                _ => bail!("activity {name} is not approved: {activity}"),
            }
        }
    }

    /// Waits until so many executions have finished in all, looking every ten milliseconds.
    pub(crate) async fn finished(&self, connection: &mut Connection, count: usize) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(600);
        loop {
            let overview = connection.get("/api/v1/overview").await?;
            let of = |status: &str| overview["executions"][status].as_u64().unwrap_or(0);
            let finished = of("finished");
            if finished >= count as u64 {
                ensure!(finished == count as u64, "{finished} finished where {count} were submitted");
                return Ok(());
            }
            ensure!(of("failed") + of("timedOut") == 0, "executions failed: {overview}");
            ensure!(Instant::now() < deadline, "not done after ten minutes: {overview}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills it at once, as a power cut would; its workers go on.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }

    /// Ends it with its workers.
    pub(crate) async fn stop(mut self) -> Result<()> {
        process::signal(self.pid(), Signal::TERM);
        let ended = tokio::time::timeout(Duration::from_secs(15), self.child.wait()).await;
        end_workers(&self.directory).await;
        ended.context("the manager did not end within 15 seconds of TERM")??;
        Ok(())
    }
}

/// Ends what still runs for a directory: workers outlive their manager by design.
async fn end_workers(directory: &Path) {
    for _ in 0..200 {
        let left = process::of_directory(directory);
        if left.is_empty() {
            return;
        }
        left.into_iter().for_each(|pid| process::signal(pid, Signal::KILL));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A measure that failed leaves nothing behind either.
        for pid in process::of_directory(&self.directory) {
            process::signal(pid, Signal::KILL);
        }
    }
}

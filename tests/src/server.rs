//! A manager in a process of its own, as `pod serve` starts it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::binary::{Pod, after};

/// How long a manager may take until it listens, or until it has ended.
const WITHIN: Duration = Duration::from_secs(30);

/// A manager that runs. Dropping it kills it; its workers live on until the [`Pod`] is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    url: String,
}

impl Pod {
    /// Starts a manager on a free port over this data directory, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not listen in time; with what it said.
    #[must_use]
    pub fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_after("true", "127.0.0.1:0", arguments)
    }

    /// As [`Pod::serve`], at this address: for one that takes the place of another.
    ///
    /// # Panics
    ///
    /// When it does not listen in time; with what it said.
    #[must_use]
    pub fn serve_at(&self, address: &str, arguments: &[&str]) -> Server {
        self.serve_after("true", address, arguments)
    }

    /// As [`Pod::serve`], with these additions to its environment.
    ///
    /// # Panics
    ///
    /// When it does not listen in time; with what it said.
    #[must_use]
    pub fn serve_in(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Server {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments).envs(environment.iter().copied());
        Server::start(command)
    }

    /// The same, after something that a shell does first: `ulimit`.
    ///
    /// # Panics
    ///
    /// When it does not listen in time; with what it said.
    #[must_use]
    pub fn serve_after(&self, first: &str, address: &str, arguments: &[&str]) -> Server {
        let mut command = self.command(&["serve", "--listen", address]);
        Server::start(after(first, command.args(arguments)))
    }
}

/// The lines on a child's stderr. They are read to their end in any case: a full pipe must not hold the child up.
fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let stderr = child.stderr.take().expect("stderr is a pipe");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

impl Server {
    /// Starts a command that becomes a manager, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not listen in time; with what it said.
    #[must_use]
    pub fn started(command: Command) -> Self {
        Self::start(command)
    }

    /// Starts what becomes a manager, and waits until it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the pod binary runs");
        let lines = lines_of(&mut child);
        let deadline = Instant::now() + WITHIN;
        let mut said = Vec::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.strip_prefix("listening on ") {
                    Some(url) => return Self { child, url: url.to_owned() },
                    None => said.push(line),
                },
                Err(error) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("the manager did not listen ({error}): {}", said.join("\n"));
                }
            }
        }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`: as a crash, or the end of the power.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    #[must_use]
    pub fn stop(mut self) -> ExitStatus {
        signal(self.child.id(), Signal::TERM);
        wait(&mut self.child, WITHIN).expect("the manager ends when it is asked to")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process; that it is gone is fine.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Waits for the end of a child; nothing when the time is up before.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    }
}

/// Waits until something is so.
///
/// # Panics
///
/// When it does not come about in time; with what was waited for.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

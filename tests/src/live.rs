//! A command of the binary while it runs: what it prints can be waited for, and it can be interrupted.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    binary::{Pod, Ran},
    server::{signal, wait},
};

/// How long anything that is waited for may take.
const WITHIN: Duration = Duration::from_secs(60);

/// A command that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Live {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

impl Pod {
    /// Starts a command, with these additions to its environment.
    ///
    /// # Panics
    ///
    /// Where the binary cannot be run.
    #[must_use]
    pub fn spawn(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Live {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the pod binary runs");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            loop {
                let mut line = Vec::new();
                match stdout.read_until(b'\n', &mut line) {
                    Ok(count) if count > 0 && sender.send(String::from_utf8_lossy(&line).into_owned()).is_ok() => {}
                    _ => return,
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Live { child, lines, stderr: Some(stderr) }
    }
}

impl Live {
    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line on its stdout, without its end.
    ///
    /// # Panics
    ///
    /// When none comes in time.
    #[must_use]
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(WITHIN) {
            Ok(line) => line.trim_end_matches('\n').to_owned(),
            Err(error) => {
                let _ = self.child.kill();
                panic!("no line came ({error}): {}", self.rest().stderr)
            }
        }
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        signal(self.pid(), Signal::INT);
    }

    /// Waits for its end; with what it printed that was not taken yet.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    #[must_use]
    pub fn finish(mut self) -> Ran {
        if wait(&mut self.child, WITHIN).is_none() {
            let _ = self.child.kill();
            panic!("it did not end in time: {}", self.rest().stderr);
        }
        self.rest()
    }

    fn rest(&mut self) -> Ran {
        let code = self.child.wait().ok().as_ref().and_then(ExitStatus::code);
        let stdout = self.lines.iter().collect();
        let stderr = self.stderr.take().and_then(|reading| reading.join().ok()).unwrap_or_default();
        Ran { code, stdout, stderr }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Follows an execution, and waits no longer than a suite may take.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use crate::{
    domain::{AttemptOutcome, Stream},
    executor::{ExecutionHandle, RunEvent},
};

/// Nothing in the suites takes so long unless it hangs.
pub(in crate::testing) const TIMEOUT: Duration = Duration::from_secs(60);

/// All that an execution did.
#[derive(Debug)]
pub struct Outcome {
    /// Everything it printed there.
    pub stdout: Vec<u8>,
    /// Everything it printed there.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub end: AttemptOutcome,
    /// How often it was told that it started.
    pub starts: usize,
    /// Whether its installation was found to be damaged.
    pub damaged: bool,
}

impl Outcome {
    /// Of one that has done nothing yet.
    pub(in crate::testing) const fn nothing() -> Self {
        Self { stdout: Vec::new(), stderr: Vec::new(), end: AttemptOutcome::Lost, starts: 0, damaged: false }
    }

    /// What it printed on stdout, as text.
    pub(in crate::testing) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("the program prints text")
    }
}

/// Waits for all that an execution does.
pub(in crate::testing) async fn finish(run: &mut dyn ExecutionHandle) -> Outcome {
    let mut outcome = Outcome::nothing();
    loop {
        match in_time("the next event", run.next()).await {
            Some(RunEvent::Started { .. }) => outcome.starts += 1,
            Some(RunEvent::Output { stream, bytes }) => {
                assert!(!bytes.is_empty(), "output is never empty");
                match stream {
                    Stream::Stdout => outcome.stdout.extend_from_slice(&bytes),
                    Stream::Stderr => outcome.stderr.extend_from_slice(&bytes),
                }
            }
            Some(RunEvent::InstallationLost) => outcome.damaged = true,
            Some(other @ (RunEvent::Wrote { .. } | RunEvent::Holds { .. })) => panic!("nobody asked for {other:?}"),
            Some(RunEvent::Ended { end, .. }) => {
                outcome.end = end;
                assert_eq!(in_time("nothing", run.next()).await, None, "nothing comes after the end");
                return outcome;
            }
            None => panic!("an end must come before there is nothing more"),
        }
    }
}

/// Waits for a whole line on stdout, and gives all that came until then.
pub(in crate::testing) async fn line(run: &mut dyn ExecutionHandle) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\n") {
        match in_time("a line", run.next()).await {
            Some(RunEvent::Output { stream: Stream::Stdout, bytes }) => text.extend_from_slice(&bytes),
            Some(RunEvent::Ended { end, .. }) => panic!("it ended ({end:?}) before it printed a line"),
            None => panic!("there was nothing more before a line"),
            Some(_) => {}
        }
    }
    String::from_utf8(text).expect("the program prints text")
}

/// Waits, but not for ever.
pub(in crate::testing) async fn in_time<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match timeout(TIMEOUT, wait).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not come in {TIMEOUT:?}"),
    }
}

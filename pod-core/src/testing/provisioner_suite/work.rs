//! What the workers of a provisioner under test are given to do, and how the suite sees whether they do it.

use std::{fs, time::Duration};

use tokio::time::timeout;

use crate::domain::Payload;

/// Nothing in the suite takes so long unless it hangs.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// What workers are given to do: an execution that prints something, and goes on until it is ended.
pub trait Work: Send + Sync + 'static {
    /// What is installed for it. The mark is a number that nobody else has; it is also the input of the execution.
    fn payload(&self, mark: &str) -> Payload;

    /// Whether the execution of that mark runs, seen from outside of its worker.
    fn runs(&self, mark: &str) -> bool;
}

/// A process that sleeps for a time by which it is found among those of this machine, also where a container counts them
/// otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct SleepingProcess;

impl Work for SleepingProcess {
    fn payload(&self, mark: &str) -> Payload {
        Payload::Script(format!("printf '#!/bin/sh\\necho here\\nexec sleep {mark}\\n' > main.sh").into())
    }

    fn runs(&self, mark: &str) -> bool {
        sleeping(mark).is_some_and(is_alive)
    }
}

/// The process that sleeps for so many seconds, which a shell may be about to become.
pub(super) fn sleeping(mark: &str) -> Option<u32> {
    let wanted = ["sleep".as_bytes(), mark.as_bytes()];
    let runs = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0).take(2).eq(wanted)
    };
    let all = fs::read_dir("/proc").expect("a list of processes").flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).find(runs)
}

/// Whether a process lives on this machine.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    // A killed process whose parent has not yet looked is dead.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

/// Waits until a process is gone.
pub async fn dies(pid: u32) {
    eventually(&format!("the end of process {pid}"), || (!is_alive(pid)).then_some(())).await;
}

/// Looks until there is something.
pub(super) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = timeout(TIMEOUT, async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what} did not come in {TIMEOUT:?}"))
}

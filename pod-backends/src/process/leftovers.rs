//! What an earlier worker of the same directory left running. Normally that is nothing: the spawner ends its trees
//! when its worker dies. This finds what is left when the spawner was killed as well.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{environment::MARK, layout::Layout};

/// A spawner whose worker is gone has so long to end its trees by itself.
const SPAWNER_ENDS_WITHIN: Duration = Duration::from_secs(10);
/// What was killed has so long to go.
const KILLED_GONE_WITHIN: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Waits for the last spawner of the directory, and kills what has its mark.
pub(super) fn end_earlier(layout: &Layout, mark: &str) {
    let deadline = Instant::now() + SPAWNER_ENDS_WITHIN;
    while fs::read_to_string(layout.supervisor()).is_ok_and(|note| is_running(note.trim())) && Instant::now() < deadline
    {
        thread::sleep(POLL_INTERVAL);
    }
    kill_marked(mark);
}

/// Notes down a spawner, so that a later worker of the directory finds it.
pub(super) fn note(layout: &Layout, pid: u32) -> std::io::Result<()> {
    fs::write(layout.supervisor(), format!("{pid} {}\n", start_time(pid).unwrap_or_default()))
}

fn is_running(note: &str) -> bool {
    let Some((pid, started)) = note.split_once(' ') else { return false };
    pid.parse().ok().and_then(start_time).is_some_and(|time| time == started)
}

/// When a living process was started, in the system's own count: with its number it names it for good.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut after_name = stat.rsplit_once(") ")?.1.split(' ');
    let state = after_name.next()?;
    (state != "Z").then(|| after_name.nth(18).map(str::to_owned))?
}

/// Kills every process that has this mark in its environment, until none is found.
pub(super) fn kill_marked(mark: &str) {
    let wanted = format!("{MARK}={mark}");
    let deadline = Instant::now() + KILLED_GONE_WITHIN;
    loop {
        let found = marked(&wanted);
        if found.is_empty() {
            return;
        }
        if Instant::now() >= deadline {
            tracing::warn!(processes = found.len(), "processes of an earlier run were killed and do not go");
            return;
        }
        // Stopped first, so that none of them starts another meanwhile.
        for signal in [Signal::STOP, Signal::KILL] {
            for &pid in &found {
                let _ = kill_process(pid, signal);
            }
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn marked(wanted: &str) -> Vec<Pid> {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = numbers.filter(|&pid| pid != own);
    others
        .filter(|pid| {
            let environment = fs::read(PathBuf::from(format!("/proc/{pid}/environ"))).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes())
        })
        .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .collect()
}

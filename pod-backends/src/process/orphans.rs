//! Processes that come to the worker because their parents were killed. Whatever a program does to get away, its keepers
//! are its ancestors; where somebody kills those, the worker is the next in line.

use std::{
    collections::HashMap,
    fs, io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};

/// Whether orphans come to this process.
static OURS: AtomicBool = AtomicBool::new(false);

/// What was killed has so long to go.
const EXIT_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// So many times it is looked for processes that were forked while others were being stopped.
const STOP_ROUNDS: u32 = 8;

/// Has orphans come to this process. For the beginning of a program that is a worker and starts nothing else: all of
/// its children are taken for what programs left when the spawner was killed, and end with that.
pub fn adopt_orphans() -> io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    OURS.store(true, Ordering::Relaxed);
    Ok(())
}

/// Ends every process below this one, where they are its own. To be called while no spawner runs.
pub(super) fn end() {
    if !OURS.load(Ordering::Relaxed) {
        return;
    }
    let deadline = Instant::now() + EXIT_TIMEOUT;
    loop {
        let mut found = Vec::new();
        for _ in 0..STOP_ROUNDS {
            let new: Vec<Pid> = below_this_one().into_iter().filter(|pid| !found.contains(pid)).collect();
            if new.is_empty() {
                break;
            }
            // Stopped first, so that none of them starts another meanwhile.
            for &pid in &new {
                let _ = kill_process(pid, Signal::STOP);
            }
            found.extend(new);
        }
        if found.is_empty() {
            return;
        }
        for &pid in &found {
            let _ = kill_process(pid, Signal::KILL);
            // That it is not a child of this one, or not yet gone, is fine.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        if Instant::now() >= deadline {
            tracing::warn!(processes = found.len(), "processes whose spawner was killed were killed and do not go");
            return;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn below_this_one() -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = children.remove(&getpid().as_raw_nonzero().get()).unwrap_or_default();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    found.into_iter().filter_map(Pid::from_raw).collect()
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name before that stands in brackets, and may hold any character.
    let after_name = &stat[stat.iter().rposition(|&byte| byte == b')')? + 1..];
    std::str::from_utf8(after_name).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

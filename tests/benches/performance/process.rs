//! What the system knows about processes.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

/// A figure of `/proc/PID/status` in bytes: `VmRSS` now, `VmHWM` at most.
fn status(pid: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Resident memory in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:").unwrap_or(0)
}

/// The most resident memory so far, in bytes.
pub(crate) fn most_resident(pid: u32) -> u64 {
    status(pid, "VmHWM:").unwrap_or(0)
}

/// The processor time that a process has used, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold blanks; user and system time are the 12th and 13th figures behind it.
    let figures = text.rsplit_once(") ").map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: f64 = figures.skip(11).take(2).filter_map(|figure| figure.parse::<f64>().ok()).sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}

/// The processes whose command line names something below this directory, which only those started for it do.
pub(crate) fn of_directory(directory: &Path) -> Vec<u32> {
    let wanted = directory.to_string_lossy();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(wanted.as_ref()))
        })
        .collect()
}

/// Sends a signal; a process that is gone is fine.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

//! The processes of a worker, found by who started whom.

use std::fs;

/// The direct children of a process.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let started_by = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| started_by(*pid) == Some(parent))
        .collect()
}

/// The worker processes of a data directory.
pub(crate) fn workers(data: &str) -> Vec<u32> {
    let is_worker = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        command.contains(&format!(" worker --local {data}/"))
    };
    pod_tests::processes_of(data).into_iter().filter(is_worker).collect()
}

/// The slot spawners of a data directory: each runs one execution at a time.
pub(crate) fn spawners(data: &str) -> Vec<u32> {
    let nurseries = workers(data).into_iter().flat_map(children);
    nurseries.flat_map(children).collect()
}

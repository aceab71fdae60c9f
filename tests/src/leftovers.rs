//! Processes that belong to a test: those that name its directory, or lie in it.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// The processes that name this text, a directory or a mark, in their command line or environment, or whose program or
/// working directory does; and those that have the mark of a worker of that directory, which may have given them a working
/// directory elsewhere. A program may change each of them; it seldom changes all.
#[must_use]
pub fn processes_of(text: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let texts = [vec![text.to_owned()], marks_below(Path::new(text), 5)].concat();
    let names = |pid: u32, file: &str| {
        fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| {
            let bytes = String::from_utf8_lossy(&bytes);
            texts.iter().any(|text| bytes.contains(text))
        })
    };
    let leads = |pid: u32, link: &str| {
        fs::read_link(format!("/proc/{pid}/{link}")).is_ok_and(|path| path.to_string_lossy().contains(text))
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            ["cmdline", "environ"].into_iter().any(|file| names(*pid, file))
                || ["cwd", "exe"].into_iter().any(|link| leads(*pid, link))
        })
        .collect()
}

/// The marks of the workers whose directories lie so deep below one.
fn marks_below(dir: &Path, depth: usize) -> Vec<String> {
    let mut marks: Vec<String> = fs::read_to_string(dir.join("mark")).into_iter().collect();
    marks.iter_mut().for_each(|mark| mark.truncate(mark.trim_end().len()));
    marks.retain(|mark| !mark.is_empty());
    let below = fs::read_dir(dir).into_iter().flatten().flatten().filter(|_| depth > 0);
    let dirs = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    marks.extend(dirs.flat_map(|entry| marks_below(&entry.path(), depth - 1)));
    marks
}

/// Waits until no process names this text; those that are left when the time is up.
#[must_use]
pub fn wait_until_gone(text: &str, limit: Duration) -> Vec<u32> {
    let deadline = Instant::now() + limit;
    loop {
        let left = processes_of(text);
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Kills every process that names the directory, until there is none: workers outlive their manager by design.
pub fn end_all(directory: &Path) {
    let text = directory.to_string_lossy();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let left = processes_of(&text);
        if left.is_empty() || Instant::now() >= deadline {
            break;
        }
        for pid in left {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // Working directories lie there where the path of a test's directory is long; what was killed did not clear them up.
    for mark in marks_below(directory, 5) {
        if let Some(beginning) = mark.get(..12) {
            let _ = fs::remove_dir_all(format!("/tmp/pod-{beginning}"));
        }
    }
}

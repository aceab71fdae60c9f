//! How many files this process may have open: for a program that is a manager or a worker, and little else.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What programs are to get instead of what this process has.
static PROGRAMS: OnceLock<u64> = OnceLock::new();

/// A worker needs so many whatever it runs: its log, its link, its runtime.
const BASE: u64 = 64;
/// Each slot needs so many at a time: its socket, and the output that goes through a file.
const PER_SLOT: u64 = 3;

/// Lets this process have as many files open as the system allows it. The programs that it runs get what it had, or
/// what is named here. For the beginning of a program: an application that embeds POD has its own idea of this.
pub fn raise(programs: Option<u64>) {
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current else { return };
    let _ = PROGRAMS.set(programs.unwrap_or(current));
    // What cannot be raised stays, and whoever needs more says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// How many files this process may have open.
#[must_use]
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// What programs get, where that is not what this process has.
#[must_use]
pub fn of_programs() -> Option<u64> {
    PROGRAMS.get().copied()
}

/// Whether a worker in this process, or in one that it starts, could serve so many slots; if not, a sentence.
pub fn check(slots: u32) -> Result<(), String> {
    let (limit, needed) = (limit(), BASE + PER_SLOT * u64::from(slots));
    if needed <= limit {
        return Ok(());
    }
    let possible = limit.saturating_sub(BASE) / PER_SLOT;
    Err(format!(
        "{slots} slots need {needed} open files, and this process may have {limit}: set slots to {possible} or less, \
         or raise the limit (ulimit -Hn)"
    ))
}

//! What a process has from whoever started it, and is not to pass on: for the beginning of a program that is a manager
//! or a worker. An application that embeds POD has its own idea of this; the spawner closes what came with it in any case.

use std::{fs, os::fd::BorrowedFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Standard input, output and error are for whoever is started.
const FIRST: i32 = 3;

/// Sees to it that no process started from here on inherits what this one was left open: a file that is locked, or the
/// end of a pipe whose other end waits for its last holder.
#[allow(unsafe_code, reason = "the descriptors are those that the system lists, and are only looked at")]
pub fn keep() {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers: Vec<i32> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|&number| number >= FIRST) {
        // The one that the list was read from is closed by now.
        let _ = fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC);
    }
}

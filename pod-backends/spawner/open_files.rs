//! How many files a process may have open. The worker raises that for itself; programs get what it was before, because
//! some of them close, or make room for, as many as there may be.

use std::ffi::{c_int, c_ulong};

const RLIMIT_NOFILE: c_int = 7;

#[repr(C)]
struct Limit {
    soft: c_ulong,
    hard: c_ulong,
}

unsafe extern "C" {
    fn getrlimit(resource: c_int, limit: *mut Limit) -> c_int;
    fn setrlimit(resource: c_int, limit: *const Limit) -> c_int;
}

/// Lets this process, and what it starts, have so many files open; it may be raised again up to what it was.
pub fn limit(soft: c_ulong) {
    let mut limit = Limit { soft: 0, hard: 0 };
    unsafe {
        if getrlimit(RLIMIT_NOFILE, &mut limit) == 0 {
            limit.soft = soft.min(limit.hard);
            setrlimit(RLIMIT_NOFILE, &limit);
        }
    }
}

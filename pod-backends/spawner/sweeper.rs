//! The sweeper: a process beside the slots that deletes what they put into the trash. It sees the mounts that the supervisor
//! sees, and not what programs have mounted in their slots.

use std::{collections::HashSet, fs, os::fd::OwnedFd, path::Path, process::exit};

use crate::{
    as_user::become_user,
    file_calls,
    sys::{self, POLLIN, PollFd},
    trash::{sweep, take_all, trash_of},
    user::User,
};

/// Deletes trash whenever the bell rings. When nobody is left who could ring, and the supervisor waits for that, everything
/// goes.
pub fn serve(base: &Path, heard: &OwnedFd, supervisor: i32) -> ! {
    sys::set_name(c"pod-sweeper");
    sys::never_block(heard);
    let trash = trash_of(base);
    let mut stuck = HashSet::new();
    loop {
        sweep(&trash, &mut stuck);
        sys::poll(&mut [PollFd::new(heard, POLLIN)], None);
        if sys::has_ended(heard) {
            break;
        }
    }
    if file_calls::parent() == supervisor {
        clear(base, None);
    }
    exit(0)
}

/// Deletes a directory of working directories that nobody uses any more, as who ran programs in it. What cannot be
/// deleted stays.
pub fn clear(base: &Path, user: Option<&User>) {
    if become_user(user).is_err() {
        return;
    }
    let trash = trash_of(base);
    let _ = take_all(base);
    sweep(&trash, &mut HashSet::new());
    let _ = fs::remove_dir(&trash);
    let _ = fs::remove_dir(base);
}

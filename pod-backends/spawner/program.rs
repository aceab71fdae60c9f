//! Starting a program: `posix_spawn`, which shares the memory of this process until the program is in its place.
//! A `fork` here would cost a fifth of the executions that a machine can run.

use std::{
    ffi::{CStr, c_char},
    os::fd::{AsRawFd, OwnedFd},
    ptr,
    time::Duration,
};

use crate::{
    posix_spawn::{
        Opaque, SETPGROUP, SETSIGDEF, SETSIGMASK, posix_spawn, posix_spawn_file_actions_addchdir_np,
        posix_spawn_file_actions_adddup2, posix_spawn_file_actions_destroy, posix_spawn_file_actions_init,
        posix_spawnattr_init, posix_spawnattr_setflags, posix_spawnattr_setpgroup, posix_spawnattr_setsigdefault,
        posix_spawnattr_setsigmask,
    },
    sys::{self, ETXTBSY, SignalSet},
    wire::Start,
};

/// A program that was just written can be held open for writing by a child that some thread of the worker is about
/// to replace: tried again so often, with so much between.
const BUSY_TRIES: u32 = 200;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// What is the same for every program: a process group of its own, no signal blocked, and those that this process
/// ignores at their defaults.
pub struct Launcher {
    attributes: Opaque,
}

impl Launcher {
    pub fn new(ignored: &[i32]) -> Self {
        let mut attributes = Opaque::new();
        unsafe {
            posix_spawnattr_init(&mut attributes);
            posix_spawnattr_setflags(&mut attributes, SETPGROUP | SETSIGDEF | SETSIGMASK);
            posix_spawnattr_setpgroup(&mut attributes, 0);
            posix_spawnattr_setsigdefault(&mut attributes, &SignalSet::of(&[ignored, OF_THE_C_LIBRARY].concat()));
            posix_spawnattr_setsigmask(&mut attributes, &SignalSet::EMPTY);
        }
        Self { attributes }
    }

    /// Starts a program in a directory, with more variables than it has already and with these ends of pipes as its
    /// output; its standard input is that of this process. The process id, or the system's error number.
    pub fn start(
        &self,
        program: &Start<'_>,
        dir: &CStr,
        more: &[&CStr],
        stdout: &OwnedFd,
        stderr: &OwnedFd,
    ) -> Result<i32, i32> {
        let args = pointers(&program.args, &[]);
        let env = pointers(&program.env, more);
        let mut actions = Opaque::new();
        unsafe {
            posix_spawn_file_actions_init(&mut actions);
            posix_spawn_file_actions_adddup2(&mut actions, stdout.as_raw_fd(), 1);
            posix_spawn_file_actions_adddup2(&mut actions, stderr.as_raw_fd(), 2);
            posix_spawn_file_actions_addchdir_np(&mut actions, dir.as_ptr());
        }
        let mut pid = 0;
        let mut tries = 0;
        let error = loop {
            let error = unsafe {
                posix_spawn(&mut pid, program.program.as_ptr(), &actions, &self.attributes, args.as_ptr(), env.as_ptr())
            };
            tries += 1;
            if error != ETXTBSY || tries == BUSY_TRIES {
                break error;
            }
            std::thread::sleep(BUSY_PAUSE);
        };
        unsafe { posix_spawn_file_actions_destroy(&mut actions) };
        if error == 0 { Ok(pid) } else { Err(error) }
    }
}

fn pointers(texts: &[&CStr], more: &[&CStr]) -> Vec<*const c_char> {
    texts.iter().chain(more).map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

/// Signals that a C library keeps for itself, and would have programs ignore.
const OF_THE_C_LIBRARY: &[i32] = &[32, 33, 34];

/// The signals that the processes of the spawner ignore: what ends them is the end of their socket, and nothing that
/// a terminal or a shutting down machine sends in passing may leave a tree without its keeper.
pub const IGNORED: &[i32] =
    &[sys::SIGHUP, sys::SIGINT, sys::SIGQUIT, sys::SIGTERM, sys::SIGUSR1, sys::SIGUSR2, sys::SIGPIPE];

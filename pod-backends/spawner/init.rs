//! The first process of a container: starts the worker there, hands signals on to it, reaps what nobody waits for, and
//! ends with the worker's exit code. When it ends, the system ends the rest of the container.
//!
//! Until it hears signals the system keeps them from the first process of a container, and they are lost. Where an
//! execution has the container for itself, the first byte of its output therefore tells that signals are heard now.

use std::{
    ffi::OsString,
    io::Write,
    os::unix::process::CommandExt,
    process::{Command, exit},
};

use crate::{
    sys::{self, Child, POLLIN, PollFd, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    wire::HEARS,
};

/// What the worker gets to hear.
const HANDED_ON: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];
/// As shells do where a program cannot be started.
const NOT_STARTED: i32 = 127;

/// Who gets the signals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum HandOn {
    /// The program that was started.
    Child,
    /// Every process of the container. Whoever sends them is told when they are heard.
    All,
}

/// Everybody whom this process may signal, but itself.
const EVERYBODY: i32 = -1;

/// Runs a program with its arguments until it ends.
pub fn serve(mut command: impl Iterator<Item = OsString>, to: HandOn) -> ! {
    sys::set_name(c"pod-init");
    let (Some(program), Ok(signals)) = (command.next(), sys::signals(&HANDED_ON)) else { exit(NOT_STARTED) };
    let mut worker = Command::new(&program);
    // A session of its own, so that nothing at a terminal of the container reaches it by another way.
    worker.args(command).process_group(0);
    // What is blocked here would be blocked there. Between fork and exec it does no more than one call of the system.
    unsafe { worker.pre_exec(sys::unblock_signals) };
    // Elsewhere than in a container of its own, everybody would be everybody on the machine.
    let everybody = to == HandOn::All && std::process::id() == 1;
    if to == HandOn::All {
        let mut stdout = std::io::stdout();
        // Whoever started this has gone where it fails, and ends it.
        let _ = stdout.write_all(&[HEARS]).and_then(|()| stdout.flush());
    }
    let worker = match worker.spawn() {
        Ok(worker) => i32::try_from(worker.id()).unwrap_or(0),
        Err(error) => {
            eprintln!("the worker {} cannot be started in this container: {error}", program.display());
            exit(NOT_STARTED)
        }
    };
    loop {
        sys::poll(&mut [PollFd::new(&signals, POLLIN)], None);
        while let Some(number) = sys::next_signal(&signals) {
            if HANDED_ON.contains(&number) {
                sys::kill(if everybody { EVERYBODY } else { worker }, number);
            }
        }
        while let Child::Ended(pid, status) = sys::reap_any() {
            if pid == worker {
                exit(exit_code(status));
            }
        }
    }
}

/// The exit code that stands for a status, as shells count: 128 and the signal, where one ended it.
fn exit_code(status: i32) -> i32 {
    match status & 0x7f {
        0 => (status >> 8) & 0xff,
        signal => 128 + signal,
    }
}

//! The spawner as a program: the library carries it along and runs it from memory, so that an application that embeds
//! POD needs no file beside its own, and is never run a second time itself.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{fs::OpenOptionsExt, process::CommandExt},
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::fs::MemfdFlags;

use super::{environment::MARK, layout::Layout, run_as::RunAs, user::User};
use crate::open_files;

pub(crate) static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod-spawner"));

/// Starts the nursery with that socket. Where running from memory is forbidden, from a file in the worker's directory.
pub(super) fn start(layout: &Layout, mark: &str, control: OwnedFd) -> io::Result<Child> {
    let spare = control.try_clone()?;
    let user = layout.run_as().map(RunAs::user);
    match start_from_memory(mark, user.as_ref(), control) {
        Err(_) => start_from_file(&layout.spawner(), mark, user.as_ref(), spare),
        started => started,
    }
}

fn start_from_memory(mark: &str, user: Option<&User>, control: OwnedFd) -> io::Result<Child> {
    let mut memory = File::from(rustix::fs::memfd_create("pod-spawner", MemfdFlags::CLOEXEC)?);
    memory.write_all(PROGRAM)?;
    // What is open for writing cannot be run.
    let program = File::open(format!("/proc/self/fd/{}", memory.as_raw_fd()))?;
    drop(memory);
    command(Path::new(&format!("/proc/self/fd/{}", program.as_raw_fd())), mark, user, control).spawn()
}

fn start_from_file(path: &Path, mark: &str, user: Option<&User>, control: OwnedFd) -> io::Result<Child> {
    let _ = fs::remove_file(path);
    File::options().create_new(true).write(true).mode(0o700).open(path)?.write_all(PROGRAM)?;
    command(path, mark, user, control).spawn()
}

fn command(program: &Path, mark: &str, user: Option<&User>, control: OwnedFd) -> Command {
    let mut command = Command::new(program);
    command
        .arg0("pod-spawner")
        .arg("nursery")
        .arg(open_files::of_programs().map(|limit| limit.to_string()).unwrap_or_default());
    command.args(user.map(User::to_string));
    command.current_dir("/").env_clear().env(MARK, mark);
    command.stdin(Stdio::from(control)).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

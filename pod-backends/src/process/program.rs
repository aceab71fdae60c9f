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

use super::{environment::MARK, layout::Layout};
use crate::open_files;

pub(crate) static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod-spawner"));

/// Starts the supervisor with that socket, which makes working directories there. Where running from memory is forbidden, from
/// a file in the worker's directory.
pub(super) fn start(layout: &Layout, workdirs: &Path, mark: &str, control: OwnedFd) -> io::Result<Child> {
    let spare = control.try_clone()?;
    let limit = open_files::of_programs().map(|limit| limit.to_string()).unwrap_or_default();
    let user = layout.run_as().map(|run_as| run_as.user().to_string());
    let supervisor = |control: OwnedFd| {
        let (limit, user) = (&limit, &user);
        move |command: &mut Command| {
            command.arg("nursery").arg(workdirs).arg(limit).args(user).env(MARK, mark).stdin(Stdio::from(control));
        }
    };
    match start_from_memory(supervisor(control)) {
        Err(_) => start_from_file(&layout.spawner(), supervisor(spare)),
        started => started,
    }
}

/// Deletes working directories that nobody uses any more, and nothing that is mounted in them.
pub(super) fn sweep(layout: &Layout, workdirs: &Path) -> io::Result<()> {
    let user = layout.run_as().map(|run_as| run_as.user().to_string());
    let sweeper = |command: &mut Command| {
        command.arg("sweep").arg(workdirs).args(&user).stdin(Stdio::null());
    };
    start_from_memory(sweeper).or_else(|_| start_from_file(&layout.spawner(), sweeper))?.wait().map(drop)
}

fn start_from_memory(ask: impl FnOnce(&mut Command)) -> io::Result<Child> {
    let mut memory = File::from(rustix::fs::memfd_create("pod-spawner", MemfdFlags::CLOEXEC)?);
    memory.write_all(PROGRAM)?;
    // What is open for writing cannot be run.
    let program = File::open(format!("/proc/self/fd/{}", memory.as_raw_fd()))?;
    drop(memory);
    spawn(Path::new(&format!("/proc/self/fd/{}", program.as_raw_fd())), ask)
}

fn start_from_file(path: &Path, ask: impl FnOnce(&mut Command)) -> io::Result<Child> {
    let _ = fs::remove_file(path);
    File::options().create_new(true).write(true).mode(0o700).open(path)?.write_all(PROGRAM)?;
    spawn(path, ask)
}

fn spawn(program: &Path, ask: impl FnOnce(&mut Command)) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.arg0("pod-spawner").current_dir("/").env_clear().stdout(Stdio::null()).stderr(Stdio::null());
    ask(&mut command);
    command.spawn()
}

//! Errors of the system as sentences that a person can act on.

use std::{fs::File, io, io::Read, path::Path};

use rustix::io::Errno;

/// The line that names an interpreter is not longer.
const FIRST_LINE: u64 = 256;

/// Why `main.sh` in that directory could not be started.
pub(super) fn not_started(errno: i32, dir: &Path) -> String {
    if errno == Errno::NOENT.raw_os_error() && !dir.is_dir() {
        return format!("the installation {} is gone; install the activity again", dir.display());
    }
    let mut beginning = Vec::new();
    let read = File::open(dir.join("main.sh")).and_then(|main| main.take(FIRST_LINE).read_to_end(&mut beginning));
    explain(errno, if read.is_ok() { &beginning } else { b"" }, dir)
}

/// Why a `main.sh` that begins so could not be started in that directory.
pub(crate) fn explain(errno: i32, beginning: &[u8], dir: &Path) -> String {
    let error = io::Error::from_raw_os_error(errno);
    match Errno::from_raw_os_error(errno) {
        Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP => match interpreter(beginning) {
            Some(interpreter) if interpreter.ends_with('\r') => format!(
                "main.sh could not be started: its first line ends as on Windows, which the system takes for a part of the \
                 interpreter's name {interpreter:?}, and its other lines do not; save it with the same line ends throughout"
            ),
            Some(interpreter) => format!(
                "main.sh could not be started: its first line names the interpreter {interpreter}, and that gave: {error}; \
                 correct the line, or let the installation script install it"
            ),
            None if errno == Errno::ACCESS.raw_os_error() => format!(
                "main.sh could not be started: {error}; perhaps {} is on a file system mounted with noexec",
                dir.display()
            ),
            None => {
                format!("main.sh could not be started: {error}; it, or a library that it is linked with, is missing")
            }
        },
        Errno::NOEXEC => {
            "main.sh could not be started: it is neither a script nor a program for this kind of machine".to_owned()
        }
        Errno::TOOBIG => {
            "main.sh could not be started: its input and its environment are longer than the system allows; \
                          make the activity's environment smaller"
                .to_owned()
        }
        Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE => {
            format!("main.sh could not be started because the worker is at a limit of its system: {error}")
        }
        _ => format!("main.sh could not be started: {error}"),
    }
}

/// Why an execution of what is installed in that directory could not be given a working directory of its own.
pub(crate) fn no_place(errno: i32, dir: &Path) -> String {
    if errno == Errno::NOENT.raw_os_error() && !dir.is_dir() {
        return format!("the installation {} is gone; install the activity again", dir.display());
    }
    let error = io::Error::from_raw_os_error(errno);
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the worker's disk",
        io::ErrorKind::PermissionDenied => "see to it that the worker may read all that the activity installed",
        _ => "look at the worker's disk, or set the activity's workdir to shared",
    };
    format!("main.sh could not be started in a working directory of its own: {error}; {remedy}")
}

/// Whether a program that ran before does not start because something of it is gone.
pub(super) fn may_be_damage(errno: i32) -> bool {
    matches!(Errno::from_raw_os_error(errno), Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP)
}

/// Why the interpreter of an installation script could not be started.
pub(super) fn bash_not_started(errno: i32, _dir: &Path) -> String {
    io::Error::from_raw_os_error(errno).to_string()
}

/// What the first line of `main.sh` names, if it names something.
fn interpreter(beginning: &[u8]) -> Option<String> {
    let line = beginning.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let name = String::from_utf8_lossy(line);
    Some(name.split([' ', '\t']).find(|word| !word.is_empty())?.to_owned())
}

/// Whether a disk has no room left for anything of use.
pub(super) fn is_full(dir: &Path) -> bool {
    rustix::fs::statvfs(dir).is_ok_and(|state| state.f_bavail.saturating_mul(state.f_frsize) < 256 * 1024)
}

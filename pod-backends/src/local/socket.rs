//! The socket at which worker processes dial. A socket's path may have no more than 108 bytes, a data directory's more:
//! so the socket is reached through a handle of the directory.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use pod_core::link::{Transport, over_stream};
use tokio::net::{UnixListener, UnixStream};

const NAME: &str = "link.sock";

/// Listens in a data directory, in place of an earlier manager that is gone.
pub(super) fn bind(data: &Path) -> io::Result<UnixListener> {
    bind_for(data, 0o600)
}

/// As [`bind`], with a mode that says who may dial.
pub(crate) fn bind_for(data: &Path, mode: u32) -> io::Result<UnixListener> {
    let (_handle, path) = through_handle(data)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Dials the manager of a data directory.
pub(crate) async fn connect(data: &Path) -> io::Result<Transport> {
    let (_handle, path) = through_handle(data)?;
    Ok(transport(UnixStream::connect(path).await?, "the manager of this machine".to_owned()))
}

/// A connection as a link.
pub(crate) fn transport(stream: UnixStream, peer: String) -> Transport {
    let (read, write) = stream.into_split();
    over_stream(read, write, peer)
}

/// The process at the other end, for the log.
pub(super) fn peer(stream: &UnixStream) -> String {
    match stream.peer_cred().ok().and_then(|cred| cred.pid()) {
        Some(pid) => format!("process {pid}"),
        None => "a process of this machine".to_owned(),
    }
}

fn through_handle(data: &Path) -> io::Result<(File, PathBuf)> {
    let handle = File::open(data)?;
    let path = format!("/proc/self/fd/{}/{NAME}", handle.as_raw_fd()).into();
    Ok((handle, path))
}

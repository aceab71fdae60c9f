//! Files that go into a container, and that come out of it.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures::StreamExt;
use pod_core::executor::InstallError;

use super::{
    failure::{passing, provision},
    shared::Shared,
};
use crate::docker::{client::engine::is_missing, places::ACTIVITY, worker_binary::put};

/// An archive of one file.
pub(super) fn file_archive(path: &str, mode: u32, content: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    // Into memory, under a name of ours: nothing here can fail.
    let _ = put(&mut archive, path, mode, content);
    archive.into_inner().unwrap_or_default()
}

/// More of `main.sh` is not read.
pub(super) const MAX_FILE_LEN: usize = 64 << 20;
/// An archive has as much besides.
const AROUND: usize = 64 << 10;

/// What lies at a path of a container.
pub(super) enum Found {
    /// With its mode and its content.
    File(u32, Vec<u8>),
    Link(PathBuf),
    /// A file of more than [`MOST`] bytes.
    Large,
    Other(&'static str),
}

/// What lies at a path in the activity's directory of a container; nothing where there is nothing.
pub(super) async fn download(shared: &Shared, container: &str, path: &Path) -> Result<Option<Found>, InstallError> {
    let whole = format!("{ACTIVITY}/{}", path.display());
    let options = DownloadFromContainerOptionsBuilder::default().path(&whole).build();
    let mut pieces = shared.engine.docker.download_from_container(container, Some(options));
    let mut archive = Vec::new();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) if archive.len() + piece.len() > MAX_FILE_LEN + AROUND => return Ok(Some(Found::Large)),
            Ok(piece) => archive.extend_from_slice(&piece),
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(provision(shared.engine.failed("main.sh cannot be looked at", &error))),
        }
    }
    let broken = |error: io::Error| passing(format!("the engine's archive of main.sh is broken: {error}"));
    let mut archive = tar::Archive::new(&archive[..]);
    let Some(entry) = archive.entries().map_err(broken)?.next() else { return Ok(None) };
    let mut entry = entry.map_err(broken)?;
    Ok(Some(match entry.header().entry_type() {
        tar::EntryType::Regular => {
            let mode = entry.header().mode().map_err(broken)? & 0o7777;
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(broken)?;
            Found::File(mode, content)
        }
        tar::EntryType::Symlink => {
            Found::Link(entry.link_name().map_err(broken)?.map(std::borrow::Cow::into_owned).unwrap_or_default())
        }
        tar::EntryType::Directory => Found::Other("a directory"),
        _ => Found::Other("a pipe, socket or device"),
    }))
}

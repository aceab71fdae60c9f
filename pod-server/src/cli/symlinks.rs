//! Checks where the symbolic links of a packed directory lead.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use pod_backends::process::stays_within;

/// A link to something that is not packed with it.
#[derive(Debug, thiserror::Error)]
#[error("it leads out of the directory")]
pub(super) struct LeavesDirectory(pub(super) PathBuf);

/// A link to something that is not there, by a way that cannot be taken elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("it leads nowhere")]
pub(super) struct BrokenLink(pub(super) PathBuf);

/// Where a link leads, as it can be followed wherever the directory is unpacked: a way that leads inside by another link,
/// through the outside, or from the root becomes the direct one.
pub(super) fn target_of(real: &Path, path: &Path, inside: &Path) -> io::Result<PathBuf> {
    let target = fs::read_link(path)?;
    if stays_within(inside, &target) {
        return Ok(target);
    }
    match path.canonicalize() {
        Ok(end) => match end.strip_prefix(real) {
            Ok(end) => Ok(way(inside.parent().unwrap_or(Path::new("")), end)),
            Err(_) => Err(io::Error::other(LeavesDirectory(target))),
        },
        Err(_) if names_outside(inside, &target) => Err(io::Error::other(LeavesDirectory(target))),
        Err(_) => Err(io::Error::other(BrokenLink(target))),
    }
}

/// Whether a way, taken by its names alone, leaves the directory.
fn names_outside(inside: &Path, target: &Path) -> bool {
    let mut depth = inside.components().count().saturating_sub(1);
    target.components().any(|part| {
        let next = match part {
            Component::Normal(_) => Some(depth + 1),
            Component::CurDir => Some(depth),
            Component::ParentDir => depth.checked_sub(1),
            Component::RootDir | Component::Prefix(_) => None,
        };
        depth = next.unwrap_or(depth);
        next.is_none()
    })
}

/// The way from one directory to something else below the same top.
fn way(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let ups = from.components().skip(shared).map(|_| Component::ParentDir);
    let way: PathBuf = ups.chain(to.components().skip(shared)).collect();
    if way.as_os_str().is_empty() { PathBuf::from(".") } else { way }
}

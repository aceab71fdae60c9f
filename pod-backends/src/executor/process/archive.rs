//! Unpacks an activity's directory. Nothing in an archive may reach out of it.

use std::{
    fs, io,
    io::Read,
    path::{Component, Path, PathBuf},
};

use flate2::read::GzDecoder;
use tar::{Archive, Entry, EntryType};

/// What an archive may become, unpacked.
const MOST_BYTES: u64 = 4 << 30;
const MOST_ENTRIES: usize = 500_000;

/// Why an archive was not unpacked.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The archive is at fault: a sentence.
    Content(String),
    /// The disk.
    Io(io::Error),
}

/// Unpacks a tar.gz into an empty directory.
pub(crate) fn unpack(bytes: &[u8], dir: &Path) -> Result<(), Refused> {
    let mut archive = Archive::new(GzDecoder::new(bytes).take(MOST_BYTES));
    archive.set_preserve_mtime(true);
    let broken = |error: io::Error| Refused::Content(format!("the archive is not a whole tar.gz file: {error}"));
    let mut total = 0_u64;
    for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        total = total.saturating_add(entry.size());
        if count >= MOST_ENTRIES || total >= MOST_BYTES {
            return Err(Refused::Content(format!(
                "the archive holds too much: at most {MOST_ENTRIES} files and {} GiB are allowed",
                MOST_BYTES >> 30
            )));
        }
        if is_description(entry.header().entry_type()) {
            continue;
        }
        check(&entry, dir)?;
        // It looks once more that the place is within the directory.
        if !entry.unpack_in(dir).map_err(unpacking)? {
            return Err(Refused::Content(leads_out(&path_of(&entry))));
        }
    }
    Ok(())
}

/// An error while writing is the disk's; one while reading is the archive's.
fn unpacking(error: io::Error) -> Refused {
    let mut source: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    let mut errno = error.raw_os_error();
    while let Some(inner) = source {
        errno = errno.or_else(|| inner.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error));
        source = inner.source();
    }
    match errno {
        Some(errno) => Refused::Io(io::Error::from_raw_os_error(errno)),
        None => Refused::Content(format!("the archive is not a whole tar.gz file: {error}")),
    }
}

fn is_description(kind: EntryType) -> bool {
    matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink)
}

fn path_of<R: Read>(entry: &Entry<'_, R>) -> PathBuf {
    entry.path().map(|path| path.into_owned()).unwrap_or_default()
}

fn leads_out(path: &Path) -> String {
    format!("the archive's entry {} leads out of its directory, which none may", path.display())
}

fn check<R: Read>(entry: &Entry<'_, R>, dir: &Path) -> Result<(), Refused> {
    let path = path_of(entry);
    let refuse = || Err(Refused::Content(leads_out(&path)));
    if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        return refuse();
    }
    // With no link on the way, where an entry seems to lie is where it lies.
    let mut parent = dir.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        parent.push(part);
        if fs::symlink_metadata(&parent).is_ok_and(|found| found.is_symlink()) {
            return refuse();
        }
    }
    let target = entry.link_name().ok().flatten();
    match (entry.header().entry_type(), target) {
        (EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse | EntryType::Directory, _) => Ok(()),
        (EntryType::Symlink, Some(target)) if stays_within(&path, &target) => Ok(()),
        // The name of an earlier entry, from the top.
        (EntryType::Link, Some(target)) if stays_within(Path::new("top"), &target) => Ok(()),
        (EntryType::Symlink | EntryType::Link, _) => refuse(),
        _ => Err(Refused::Content(format!(
            "the archive's entry {} is neither a file, a directory nor a link",
            path.display()
        ))),
    }
}

/// Whether a link at `path` of an archive leads to somewhere below the top. It may go up only at its beginning, where no other link
/// can be on the way.
#[must_use]
pub fn stays_within(path: &Path, target: &Path) -> bool {
    let depth = path.components().filter(|part| matches!(part, Component::Normal(_))).count().saturating_sub(1);
    let mut parts = target.components().filter(|part| *part != Component::CurDir).peekable();
    let mut ups = 0;
    while parts.next_if_eq(&Component::ParentDir).is_some() {
        ups += 1;
    }
    ups <= depth && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_may_go_up_only_as_far_as_the_top() {
        let stays = |path: &str, target: &str| stays_within(Path::new(path), Path::new(target));
        assert!(stays("bin/python", "../lib/python3"));
        assert!(stays("python", "./lib/python3"));
        assert!(!stays("python", "../lib"));
        assert!(!stays("bin/python", "../../lib"));
        assert!(!stays("bin/python", "x/../../../lib"));
        assert!(!stays("bin/python", "/usr/bin/python3"));
    }
}

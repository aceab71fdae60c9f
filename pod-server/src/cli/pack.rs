//! Packs a directory into the archive of an activity.
//!
//! The same content gives the same bytes on every machine and at every time: entries are sorted, and only the metadata
//! that matters at run time is kept (the executable bit, link targets). So an unchanged directory is the same revision,
//! and its installation is reused. Sockets, pipes and devices are left out, as are a data directory and a results
//! directory inside.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use flate2::{Compression, GzBuilder, write::GzEncoder};
use ignore::{DirEntry, WalkBuilder};
use pod_core::domain::ActivityName;

use super::{
    excluded::{ExcludedDir, is_pods_own},
    failure::Failure,
    symlinks::{BrokenLink, LeavesDirectory, target_of},
};

/// What a version control system keeps beside the files; never part of a program.
const VERSION_CONTROL: [&str; 3] = [".git", ".hg", ".svn"];

/// The file that says what stays at home, in the words of `.gitignore`.
const IGNORE: &str = ".podignore";

/// The file that an activity must have, or be able to make.
const MAIN: &str = "main.sh";
/// The file that makes it.
const INSTALL: &str = "install.sh";

/// A directory, ready to be registered as an activity.
#[derive(Debug)]
pub(crate) struct PackedDirectory {
    /// The name of the activity: that of the directory.
    pub(crate) name: String,
    /// The tar.gz.
    pub(crate) archive: Bytes,
}

/// Packs a directory into at most `limit` bytes, under its own name or another one.
pub(crate) fn pack(
    directory: &Path,
    name: Option<&ActivityName>,
    excluded: &[ExcludedDir],
    limit: usize,
) -> Result<PackedDirectory, Failure> {
    let real = directory.canonicalize().map_err(|error| unreadable(directory, &error))?;
    let name = name.map_or_else(|| name_of(&real, directory), |name| Ok(name.to_string()))?;
    if let Some(itself) = excluded.iter().find(|excluded| excluded.places().any(|place| place == real)) {
        return Err(Failure::new(format!(
            "{} is the directory of the program itself, which would change with each run; choose another one with {}",
            itself.path.display(),
            itself.option
        )));
    }
    let has = |file: &str| fs::metadata(real.join(file)).is_ok_and(|metadata| metadata.is_file());
    if !has(MAIN) && !has(INSTALL) {
        return Err(Failure::new(format!(
            "{} holds neither {MAIN} nor an {INSTALL} that makes one; put the program to run into {MAIN}",
            directory.display()
        )));
    }
    let encoder = GzBuilder::new().mtime(0).write(BoundedBuffer { bytes: Vec::new(), limit }, Compression::default());
    let mut archive = tar::Builder::new(encoder);
    let places: Vec<PathBuf> = excluded.iter().flat_map(ExcludedDir::places).collect();
    let packed = add(&mut archive, &real, places).map_err(|error| explain(error, directory, limit))?;
    if !packed {
        return Err(Failure::new(format!(
            "the {IGNORE} of {} leaves out its {MAIN} and {INSTALL}, and there is nothing to run without them; mend it",
            directory.display()
        )));
    }
    let finished = archive.into_inner().and_then(GzEncoder::finish);
    let limited = finished.map_err(|error| explain(PackError { path: real, error }, directory, limit))?;
    Ok(PackedDirectory { name, archive: limited.bytes.into() })
}

fn name_of(real: &Path, given: &Path) -> Result<String, Failure> {
    let name = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match ActivityName::new(&name) {
        Ok(_) => Ok(name),
        Err(error) => Err(Failure::new(format!(
            "an activity is named after its directory, and for {} {error}; rename the directory, or choose another name with --name",
            given.display()
        ))),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!(
        "{} cannot be read ({error}); check that it is there and that you may read it",
        path.display()
    ))
}

fn explain(failed: PackError, directory: &Path, limit: usize) -> Failure {
    if failed.error.get_ref().is_some_and(|inner| inner.is::<TooLarge>()) {
        return Failure::new(format!(
            "{} packs to more than {} MiB, the most that an activity may have; let its {INSTALL} fetch what is large",
            directory.display(),
            limit >> 20
        ));
    }
    let inner = failed.error.get_ref();
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<ignore::Error>()) {
        return Failure::new(format!("what {IGNORE} says is not understood ({error}); write it as a .gitignore is"));
    }
    if let Some(BrokenLink(target)) = inner.and_then(|inner| inner.downcast_ref()) {
        return Failure::new(format!(
            "the link {} leads to {}, which is not there; remove it, or let {INSTALL} make it",
            failed.path.display(),
            target.display()
        ));
    }
    if let Some(LeavesDirectory(target)) = inner.and_then(|inner| inner.downcast_ref()) {
        return Failure::new(format!(
            "the link {} leads out of the directory, to {}, which will not be there where it runs; put a copy in its \
             place, or let {INSTALL} make it",
            failed.path.display(),
            target.display()
        ));
    }
    unreadable(&failed.path, &failed.error)
}

/// What could not be packed, and why.
struct PackError {
    path: PathBuf,
    error: io::Error,
}

impl PackError {
    /// Of a walk through the directory.
    fn of_walk(real: &Path, error: ignore::Error) -> Self {
        match error {
            ignore::Error::WithDepth { err, .. } => Self::of_walk(real, *err),
            ignore::Error::WithPath { path, err } => Self::of_walk(&path, *err),
            // What the walk says of it holds the path once more.
            ignore::Error::Io(error) => Self { path: real.to_owned(), error: error.kind().into() },
            error => Self { path: real.to_owned(), error: io::Error::other(error) },
        }
    }
}

/// Adds all of a directory but what is left out; whether there is something to run among it.
fn add<W: Write>(archive: &mut tar::Builder<W>, real: &Path, excluded: Vec<PathBuf>) -> Result<bool, PackError> {
    // A directory in which there is nothing else than what is left out is as much there as it was before POD made it.
    let may_be_empty = {
        let excluded = excluded.clone();
        move |path: &Path| excluded.iter().any(|place| place.starts_with(path))
    };
    let mut walk = WalkBuilder::new(real);
    walk.standard_filters(false).add_custom_ignore_filename(IGNORE).sort_by_file_name(Ord::cmp);
    let is_directory = |entry: &DirEntry| entry.file_type().is_some_and(|kind| kind.is_dir());
    walk.filter_entry(move |entry| {
        let is_version_control = VERSION_CONTROL.iter().any(|name| entry.file_name() == *name);
        let is_left_out =
            || excluded.iter().any(|place| place == entry.path()) || is_directory(entry) && is_pods_own(entry.path());
        entry.depth() == 0 || !is_version_control && !is_left_out()
    });
    let mut is_runnable = false;
    let mut postponed: Vec<PathBuf> = Vec::new();
    for entry in walk.build() {
        let entry = entry.map_err(|error| PackError::of_walk(real, error))?;
        if let Some(error) = entry.error() {
            return Err(PackError::of_walk(entry.path(), error.clone()));
        }
        let path = entry.path();
        let at = |error| PackError { path: path.to_owned(), error };
        let inside = path.strip_prefix(real).unwrap_or(path);
        let metadata = fs::symlink_metadata(path).map_err(at)?;
        let is_directory = metadata.is_dir();
        if entry.depth() == 0 || !(is_directory || metadata.is_symlink() || metadata.is_file()) {
            continue;
        }
        postponed.retain(|directory| inside.starts_with(directory));
        if is_directory && may_be_empty(path) {
            postponed.push(inside.to_owned());
            continue;
        }
        for directory in postponed.drain(..) {
            append(archive, tar::EntryType::Directory, &directory, 0o755, 0, io::empty()).map_err(at)?;
        }
        if is_directory {
            append(archive, tar::EntryType::Directory, inside, 0o755, 0, io::empty()).map_err(at)?;
        } else if metadata.is_symlink() {
            let target = target_of(real, path, inside).map_err(at)?;
            let mut header = header(tar::EntryType::Symlink, 0o777, 0);
            archive.append_link(&mut header, inside, &target).map_err(at)?;
        } else {
            let file = File::open(path).map_err(at)?;
            // The length in the header holds, also for a file that grows while it is packed.
            let content = file.take(metadata.len());
            append(archive, tar::EntryType::Regular, inside, mode_of(&metadata), metadata.len(), content)
                .map_err(at)?;
        }
        is_runnable |= !is_directory && [MAIN, INSTALL].iter().any(|name| inside == Path::new(name));
    }
    Ok(is_runnable)
}

fn mode_of(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    kind: tar::EntryType,
    inside: &Path,
    mode: u32,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut counted = CountingReader { content, left: size };
    archive.append_data(&mut header(kind, mode, size), inside, &mut counted)?;
    match counted.left {
        0 => Ok(()),
        _ => Err(io::Error::other("it became shorter while it was packed")),
    }
}

/// Counts what was read, so that a file that shrinks meanwhile does not make a damaged archive.
struct CountingReader<R> {
    content: R,
    left: u64,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Bytes in memory, up to a limit.
struct BoundedBuffer {
    bytes: Vec<u8>,
    limit: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("too large")]
struct TooLarge;

impl Write for BoundedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::Error::other(TooLarge));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::{
        collections::BTreeMap,
        os::unix::fs::{PermissionsExt, symlink},
        time::{Duration, SystemTime},
    };

    const LIMIT: usize = 1 << 20;

    fn directory_with(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let temporary = tempfile::tempdir().expect("a directory");
        let directory = temporary.path().join("words");
        fs::create_dir(&directory).expect("made");
        for (name, content) in files {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().expect("below")).expect("made");
            fs::write(path, content).expect("written");
        }
        (temporary, directory)
    }

    fn unpacked(archive: &[u8]) -> BTreeMap<String, (u32, String)> {
        let mut archive = tar::Archive::new(GzDecoder::new(archive));
        let entries = archive.entries().expect("an archive");
        entries
            .map(|entry| {
                let mut entry = entry.expect("an entry");
                let path = entry.path().expect("a path").to_string_lossy().into_owned();
                let mut content = String::new();
                entry.read_to_string(&mut content).expect("text");
                (path, (entry.header().mode().expect("a mode"), content))
            })
            .collect()
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let files = [("main.sh", "echo hi\n"), ("lib/a.txt", "a"), ("lib/b.txt", "b")];
        let (_one, first) = directory_with(&files);
        let mut reversed = files;
        reversed.reverse();
        let (_two, second) = directory_with(&reversed);
        let then = SystemTime::now() - Duration::from_secs(100_000);
        File::open(second.join("main.sh")).and_then(|file| file.set_modified(then)).expect("set");
        let (first, second) =
            (pack(&first, None, &[], LIMIT).expect("packed"), pack(&second, None, &[], LIMIT).expect("packed"));
        assert_eq!(first.archive, second.archive);
        assert_eq!(first.name, "words");
    }

    #[test]
    fn modes_links_and_long_paths_come_through_and_version_control_does_not() {
        let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
        let (_temporary, directory) =
            directory_with(&[("main.sh", "x"), (".git/HEAD", "ref"), (".hidden", "h"), (&long, "long")]);
        fs::set_permissions(directory.join("main.sh"), fs::Permissions::from_mode(0o750)).expect("set");
        symlink("main.sh", directory.join("link")).expect("linked");
        let entries = unpacked(&pack(&directory, None, &[], LIMIT).expect("packed").archive);
        assert_eq!(entries["main.sh"], (0o755, "x".to_owned()));
        assert_eq!(entries[".hidden"], (0o644, "h".to_owned()));
        assert_eq!(entries[&long].1, "long");
        assert!(entries.contains_key("link"));
        assert!(!entries.keys().any(|path| path.starts_with(".git")));
    }

    #[test]
    fn what_cannot_be_packed_gets_a_sentence() {
        let (_temporary, empty) = directory_with(&[("readme", "")]);
        let message = pack(&empty, None, &[], LIMIT).expect_err("no main.sh").to_string();
        assert!(message.contains("neither main.sh nor an install.sh"), "{message}");

        let message = pack(&empty.join("absent"), None, &[], LIMIT).expect_err("absent").to_string();
        assert!(message.contains("cannot be read"), "{message}");

        let (_temporary, large) = directory_with(&[("main.sh", "x"), ("noise", &noise(100_000))]);
        let message = pack(&large, None, &[], 10_000).expect_err("too large").to_string();
        assert!(message.contains("packs to more than"), "{message}");

        let (temporary, directory) = directory_with(&[("main.sh", "x")]);
        let odd = temporary.path().join("my program");
        fs::rename(directory, &odd).expect("renamed");
        let message = pack(&odd, None, &[], LIMIT).expect_err("a space in the name").to_string();
        assert!(message.contains("rename the directory"), "{message}");
    }

    #[test]
    fn a_link_out_of_the_directory_is_refused_before_it_is_sent() {
        let (_temporary, directory) = directory_with(&[("main.sh", "x"), ("bin/tool", "x")]);
        symlink("../main.sh", directory.join("bin/start")).expect("linked");
        assert!(pack(&directory, None, &[], LIMIT).is_ok());
        for target in ["/usr/bin/python3", "../../elsewhere"] {
            let link = directory.join("bin/python");
            symlink(target, &link).expect("linked");
            let message = pack(&directory, None, &[], LIMIT).expect_err(target).to_string();
            assert!(message.contains("leads out of the directory") && message.contains(target), "{message}");
            fs::remove_file(link).expect("removed");
        }
    }

    /// Text that does not compress below the limit of the test.
    fn noise(len: usize) -> String {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'!' + u8::try_from((state >> 24) % 90).unwrap_or(0))
        };
        (0..len).map(|_| next()).collect()
    }
}

//! The program that runs in every container: this process's own, with the loader and the libraries that it is linked
//! with. So it runs in an image with another C library or none, and a build makes one program only.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    places::{HOME, MANAGER},
    settings::ManagerAddress,
};
use crate::{data_dir::directory::WorkerRecord, process::program::PROGRAM};

/// What ends an archive: two empty blocks.
const ARCHIVE_END: usize = 2 * 512;

/// A program and all that it needs, as an archive to upload.
#[derive(Clone, Debug)]
pub struct WorkerBinary {
    /// What is the same for every worker: an archive without its end.
    files: Bytes,
    /// The file of the loader, where the program is linked with libraries.
    loader: Option<String>,
    arguments: Vec<String>,
}

impl WorkerBinary {
    /// The program that this process runs, to be run with these arguments.
    pub fn of_this_process(arguments: &[&str]) -> io::Result<Self> {
        // By this name it is found even when its file was replaced by a newer one.
        let program = fs::read("/proc/self/exe")?;
        let mut archive = tar::Builder::new(Vec::new());
        put(&mut archive, "pod-spawner", 0o755, PROGRAM)?;
        put(&mut archive, "pod", 0o755, &without_debug_information(program)?)?;
        let libraries = mapped_libraries()?;
        if !libraries.is_empty() {
            put_dir(&mut archive, "lib", 0o755)?;
        }
        for library in &libraries {
            let content = without_debug_information(fs::read(library)?)?;
            for name in names(library) {
                put(&mut archive, &format!("lib/{name}"), 0o755, &content)?;
            }
        }
        let loader = libraries.iter().filter_map(|path| file_name(path)).find(|name| name.starts_with("ld-"));
        let loader = loader.map(str::to_owned);
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        // In a container the worker may be any user.
        put_dir(&mut archive, "work", 0o777)?;
        let mut files = archive.into_inner()?;
        files.truncate(files.len() - ARCHIVE_END);
        Ok(Self { files: files.into(), loader, arguments })
    }

    /// What belongs into [`HOME`] of a container, as an archive.
    #[must_use]
    pub fn files(&self) -> Vec<u8> {
        [&self.files[..], &[0; ARCHIVE_END]].concat()
    }

    /// The command of a container: its first process, what that starts, and the arguments.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        self.command_in(HOME)
    }

    /// The same, where everything of POD lies elsewhere.
    pub(crate) fn command_in(&self, home: &str) -> Vec<String> {
        let mut command = vec![format!("{home}/pod-spawner"), "init".to_owned()];
        if let Some(loader) = &self.loader {
            command.extend([format!("{home}/lib/{loader}"), "--library-path".to_owned(), format!("{home}/lib")]);
        }
        command.push(format!("{home}/pod"));
        command.extend_from_slice(&self.arguments);
        command
    }

    /// What a worker gets, in pieces.
    pub(crate) fn archive(&self, record: WorkerRecord, manager: Option<&ManagerAddress>) -> [Bytes; 2] {
        let mut own = tar::Builder::new(Vec::new());
        // Into memory, of values that always have a text: nothing here can fail.
        let record = serde_json::to_vec(&record).unwrap_or_default();
        let _ = put(&mut own, "work/worker.json", 0o644, &record);
        if let Some(manager) = manager {
            let manager = serde_json::to_vec(manager).unwrap_or_default();
            let _ = put(&mut own, &format!("work/{MANAGER}"), 0o644, &manager);
        }
        [self.files.clone(), own.into_inner().unwrap_or_default().into()]
    }
}

/// Appends a file to an archive.
pub(crate) fn put(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)
}

/// Appends a directory to an archive.
pub(crate) fn put_dir(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(mode);
    header.set_size(0);
    archive.append_data(&mut header, path, io::empty())
}

/// The shared libraries of this process, its loader among them; none where it is linked statically.
fn mapped_libraries() -> io::Result<Vec<PathBuf>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let paths = maps.lines().filter_map(|line| Some(PathBuf::from(&line[line.find('/')?..])));
    let is_library = |path: &PathBuf| {
        file_name(path).is_some_and(|name| name.ends_with(".so") || name.contains(".so.")) && path.is_file()
    };
    let mut found: Vec<PathBuf> = paths.filter(is_library).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The names by which a library may be asked for: its file's, and those of the links to it beside it.
fn names(library: &Path) -> Vec<String> {
    let own = file_name(library).map(str::to_owned);
    let beside = library.parent().and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten();
    let links = beside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let links = links.filter(|entry| fs::canonicalize(entry.path()).is_ok_and(|target| target == library));
    let mut names: Vec<String> =
        own.into_iter().chain(links.filter_map(|link| link.file_name().into_string().ok())).collect();
    names.retain(|name| name.contains(".so"));
    names.sort();
    names.dedup();
    names
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// A program or library of this machine without what lies behind the part that is loaded: symbols and lines, which are
/// the greater part of it and of no use in a container.
fn without_debug_information(mut file: Vec<u8>) -> io::Result<Vec<u8>> {
    let loaded = loaded_length(&file).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "this program's own file is not one for Linux of 64 bits")
    })?;
    file.truncate(loaded);
    // Nothing tells of sections any more.
    file[SECTIONS_AT..SECTIONS_AT + 8].fill(0);
    file[SECTION_COUNT_AT..SECTION_COUNT_AT + 4].fill(0);
    Ok(file)
}

/// Where the header of an ELF file of 64 bits has the offset of its sections, and their number and that of their names.
const SECTIONS_AT: usize = 40;
const SECTION_COUNT_AT: usize = 60;

/// How many bytes of a program's file its segments take up.
fn loaded_length(file: &[u8]) -> Option<usize> {
    const SIXTY_FOUR_BITS: u8 = 2;
    if !file.starts_with(b"\x7fELF") || *file.get(4)? != SIXTY_FOUR_BITS {
        return None;
    }
    let word = |at: usize| usize::try_from(u64::from_ne_bytes(file.get(at..at + 8)?.try_into().ok()?)).ok();
    let half = |at: usize| Some(usize::from(u16::from_ne_bytes(file.get(at..at + 2)?.try_into().ok()?)));
    let (table, size, count) = (word(32)?, half(54)?, half(56)?);
    let mut end = table + size * count;
    for segment in 0..count {
        let at = table + segment * size;
        end = end.max(word(at + 8)?.checked_add(word(at + 32)?)?);
    }
    (end <= file.len()).then_some(end)
}

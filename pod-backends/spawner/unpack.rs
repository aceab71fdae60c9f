//! Unpacks an archive from standard input into a directory: how POD's program gets into the task of a swarm, whose image
//! may have no `tar`. It knows the archives that the manager makes: files and directories with short names.

use std::{
    fs::{DirBuilder, File},
    io::{self, ErrorKind, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Component, Path},
};

const BLOCK: usize = 512;
const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const SIZE: std::ops::Range<usize> = 124..136;
const KIND: usize = 156;

/// Unpacks all of it; an archive that ends too early is an error. What is there already is replaced.
pub fn unpack(mut archive: impl Read, dir: &Path) -> io::Result<()> {
    make_dir(dir, 0o755)?;
    loop {
        let mut header = [0; BLOCK];
        archive.read_exact(&mut header)?;
        if header == [0; BLOCK] {
            return Ok(());
        }
        let name = std::str::from_utf8(text(&header[NAME])).map_err(|_| wrong())?;
        let name = Path::new(name);
        if !name.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(wrong());
        }
        let (mode, size) = (number(&header[MODE])?, number(&header[SIZE])?);
        let mode = u32::try_from(mode).map_err(|_| wrong())?;
        match header[KIND] {
            b'5' => make_dir(&dir.join(name), mode)?,
            // Both are files.
            b'0' | 0 => {
                write(&dir.join(name), mode, &mut archive.by_ref().take(size), size)?;
                let padding = size.next_multiple_of(BLOCK as u64) - size;
                io::copy(&mut archive.by_ref().take(padding), &mut io::sink())?;
            }
            _ => return Err(wrong()),
        }
    }
}

fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path, mode: u32, content: &mut impl Read, size: u64) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
    if io::copy(content, &mut file)? == size { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// What stands before the first zero.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn number(field: &[u8]) -> io::Result<u64> {
    let text = std::str::from_utf8(text(field)).map_err(|_| wrong())?;
    u64::from_str_radix(text.trim(), 8).map_err(|_| wrong())
}

fn wrong() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "this is not an archive that a manager made")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, kind: u8, size: usize) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[MODE][..7].copy_from_slice(b"0000755");
        header[SIZE][..11].copy_from_slice(format!("{size:011o}").as_bytes());
        header[KIND] = kind;
        header
    }

    fn archive(name: &str, content: &[u8]) -> Vec<u8> {
        let mut archive = [header("sub", b'5', 0), header(name, b'0', content.len())].concat();
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
        archive
    }

    #[test]
    fn files_and_directories_are_unpacked_again_and_again() {
        let dir = std::env::temp_dir().join(format!("pod-unpack-{}", std::process::id()));
        for content in [&b"first"[..], &[7; 700], b""] {
            unpack(&archive("sub/file", content)[..], &dir).expect("it is whole");
            assert_eq!(std::fs::read(dir.join("sub/file")).expect("a file"), content);
        }
        let whole = archive("sub/file", &[7; 700]);
        for end in [0, 100, BLOCK, 2 * BLOCK, 2 * BLOCK + 600, 4 * BLOCK] {
            let error = unpack(&whole[..end], &dir).expect_err("it is cut off");
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{end}");
        }
        for name in ["../file", "/file", "sub/../../file"] {
            assert_eq!(unpack(&archive(name, b"x")[..], &dir).expect_err(name).kind(), ErrorKind::InvalidData);
        }
        std::fs::remove_dir_all(dir).expect("it can be deleted");
    }
}

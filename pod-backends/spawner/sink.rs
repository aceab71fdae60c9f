//! Where the bytes of a pipe go: to the worker, or into a file that it names.

use std::{
    ffi::{CStr, OsStr},
    fs::File,
    io,
    mem::MaybeUninit,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt as _,
            fs::{FileExt as _, MetadataExt as _},
        },
    },
    path::Path,
    time::Duration,
};

use crate::{
    packet::{Gone, Packet},
    sys::{self, Patience},
    wire::{GIVE_BYTES, Pipe, READ_SIZE, Report},
};

/// How much is read at a time of what goes into a file.
const BLOCK: usize = 256 * 1024;
/// So much is handed to the disk at a time, and no more than twice that waits for it: a flood leaves the disk to others.
const PORTION: u64 = 2 << 20;
/// So long the news of what was written may wait for more of it.
const GATHER_WROTE: Duration = Duration::from_millis(1);

/// Where the bytes of one pipe go.
pub struct Sink {
    stream: Pipe,
    /// How many bytes of it were read, which is the offset of the next.
    read: u64,
    file: Option<Target>,
}

struct Target {
    file: File,
    until: u64,
    space: Vec<u8>,
    /// From there on nothing was handed to the disk.
    kept_back: u64,
}

impl Sink {
    pub fn new(stream: Pipe) -> Self {
        Self { stream, read: 0, file: None }
    }

    /// Notes what was read of the pipe for the worker.
    pub fn gave(&mut self, len: usize) {
        self.read += len as u64;
    }

    /// Takes an order to write. A file that cannot be opened is not written, and the worker goes on getting bytes.
    pub fn obey(&mut self, until: u64, id: (u64, u64), path: &CStr, packet: &mut Packet) {
        match &mut self.file {
            Some(_) if until == GIVE_BYTES => self.file = None,
            Some(target) => target.until = target.until.max(until),
            None if until == 0 => {
                if let Ok(file) = open(path, id) {
                    self.file = Some(Target { file, until: 0, space: vec![0; BLOCK], kept_back: self.read });
                    packet.add(&Report::Holds { stream: self.stream }, Duration::ZERO);
                }
            }
            None => {}
        }
    }

    /// Whether the pipe is left alone until the next order.
    pub fn holds(&self) -> bool {
        self.file.as_ref().is_some_and(|target| self.read >= target.until)
    }

    /// Whether what is read goes into a file.
    pub fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the pipe into the file as far as it may. How much was read: zero at the pipe's end. Where the disk takes no
    /// more, the worker gets that and what follows.
    pub fn read(&mut self, pipe: &OwnedFd, packet: &mut Packet, socket: &OwnedFd) -> Result<usize, Gone> {
        let Some(target) = &mut self.file else { return Ok(0) };
        let limit = usize::try_from(target.until - self.read).unwrap_or(BLOCK).min(BLOCK);
        // It is all zero or was read before.
        let space = &mut target.space[..limit];
        let space = unsafe { &mut *(std::ptr::from_mut(space) as *mut [MaybeUninit<u8>]) };
        let got = sys::read(pipe, space).unwrap_or(0);
        if got == 0 {
            return Ok(0);
        }
        let wrote = write(&target.file, &target.space[..got], self.read);
        self.read += got as u64;
        target.hand_out(self.read);
        if wrote > 0 {
            packet.add(&Report::Wrote { stream: self.stream, len: wrote as u64 }, GATHER_WROTE);
        }
        if wrote == got {
            if self.read >= target.until {
                packet.add(&Report::Holds { stream: self.stream }, Duration::ZERO);
            }
            return Ok(got);
        }
        if let Some(target) = self.file.take() {
            for bytes in target.space[wrote..got].chunks(READ_SIZE) {
                packet.send(socket)?;
                packet.add(&Report::Output { stream: self.stream, bytes }, Duration::ZERO);
            }
        }
        Ok(got)
    }
}

impl Target {
    /// Hands what was written up to there to the disk, and waits for what was handed to it before.
    fn hand_out(&mut self, written: u64) {
        let from = self.kept_back;
        if written - from < PORTION {
            return;
        }
        sys::write_out(&self.file, from..written, Patience::DontWait);
        sys::write_out(&self.file, from.saturating_sub(PORTION)..from, Patience::Wait);
        self.kept_back = written;
    }
}

fn open(path: &CStr, id: (u64, u64)) -> io::Result<File> {
    let file = File::options().write(true).open(Path::new(OsStr::from_bytes(path.to_bytes())))?;
    let found = file.metadata()?;
    if found.is_file() && (found.dev(), found.ino()) == id { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Writes as much as fits, and says how much that was.
fn write(file: &File, bytes: &[u8], offset: u64) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match file.write_at(&bytes[written..], offset + written as u64) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}

//! The packet that a slot is about to send: reports of the current run, gathered for a moment so that a short program
//! costs one packet.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use crate::{
    sys::{self, EAGAIN, Patience},
    wire::{self, PACKET_LIMIT, Pipe, READ_SIZE, Report},
};

/// Reports gathered for sending.
pub struct Packet {
    bytes: Vec<u8>,
    /// When it is to be sent at the latest; nothing while it is empty.
    due: Option<Instant>,
    /// It was to be sent, and the worker has not made room yet.
    stuck: bool,
}

/// The worker is gone.
#[derive(Debug)]
pub struct Gone;

const RUN_LEN: usize = size_of::<u64>();
/// Room for a header and for the last report.
const MARGIN: usize = 64;

impl Packet {
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(PACKET_LIMIT), due: None, stuck: false }
    }

    /// Begins the reports of a run.
    pub fn begin(&mut self, run: u64) {
        self.bytes.clear();
        self.bytes.extend(run.to_le_bytes());
        self.due = None;
        self.stuck = false;
    }

    /// Adds a report that is to be sent within `delay`.
    pub fn add(&mut self, report: &Report<'_>, delay: Duration) {
        report.encode(&mut self.bytes);
        self.hurry(Instant::now() + delay);
    }

    fn hurry(&mut self, moment: Instant) {
        self.due = Some(self.due.map_or(moment, |due| due.min(moment)));
    }

    /// Reads up to `len` bytes of a pipe into it, to be sent within `delay`. How much was read: zero at the pipe's end.
    /// There must be [room](Self::has_room).
    pub fn read(&mut self, pipe: &OwnedFd, stream: Pipe, len: usize, delay: Duration) -> usize {
        let start = self.bytes.len();
        self.bytes.extend(wire::output_header(stream, 0));
        let space = self.bytes.spare_capacity_mut();
        let limit = len.min(READ_SIZE).min(space.len());
        let got = sys::read(pipe, &mut space[..limit]).unwrap_or(0);
        if got == 0 {
            self.bytes.truncate(start);
            return 0;
        }
        let body = self.bytes.len();
        // `read` has just written so many bytes behind the length.
        unsafe { self.bytes.set_len(body + got) };
        self.bytes[start..body].copy_from_slice(&wire::output_header(stream, got));
        self.hurry(Instant::now() + delay);
        got
    }

    /// Whether a whole read still fits.
    pub fn has_room(&self) -> bool {
        self.bytes.len() + READ_SIZE + MARGIN <= PACKET_LIMIT
    }

    /// When it is to be sent at the latest.
    pub fn due(&self) -> Option<Instant> {
        if self.stuck { None } else { self.due }
    }

    /// Whether it waits for the worker to make room.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Sends it if its time has come, it is full or it was stuck, without waiting.
    pub fn send_if_due(&mut self, socket: &OwnedFd, now: Instant) -> Result<(), Gone> {
        let Some(due) = self.due else { return Ok(()) };
        if now < due && self.has_room() && !self.stuck {
            return Ok(());
        }
        match sys::send_packet(socket, &self.bytes, Patience::DontWait) {
            Ok(()) => self.sent(),
            Err(error) if error.raw_os_error() == Some(EAGAIN) => self.stuck = true,
            Err(_) => return Err(Gone),
        }
        Ok(())
    }

    /// Sends what there is, and waits until the worker has room for it.
    pub fn send(&mut self, socket: &OwnedFd) -> Result<(), Gone> {
        if self.due.is_some() {
            sys::send_packet(socket, &self.bytes, Patience::Wait).map_err(|_| Gone)?;
            self.sent();
        }
        Ok(())
    }

    fn sent(&mut self) {
        self.bytes.truncate(RUN_LEN);
        self.due = None;
        self.stuck = false;
    }
}

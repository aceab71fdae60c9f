//! What the process of a slot works with.

use std::os::fd::OwnedFd;

use crate::{packet::Packet, program::Launcher, wire::ORDER_LIMIT, workdirs::Workdirs};

/// What a slot works with.
pub struct Slot {
    /// The worker's end is at the other side.
    pub socket: OwnedFd,
    /// Ends with the supervisor.
    pub life: OwnedFd,
    /// Becomes readable when a child ended.
    pub children: OwnedFd,
    pub ahead: Ahead,
    pub packet: Packet,
    pub launcher: Launcher,
    pub workdirs: Workdirs,
}

/// The order that came while a run was going on, if one did.
pub struct Ahead {
    space: Vec<u8>,
    len: usize,
}

impl Ahead {
    pub fn new() -> Self {
        Self { space: vec![0; ORDER_LIMIT], len: 0 }
    }

    /// Where an order can be received to, while there is none.
    pub fn space(&mut self) -> Option<&mut [u8]> {
        (self.len == 0).then_some(&mut self.space)
    }

    /// Keeps what was received into the [space](Self::space).
    pub fn keep(&mut self, len: usize) {
        self.len = len;
    }

    /// Gives it up.
    pub fn give_up(&mut self) {
        self.len = 0;
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.len > 0
    }

    /// Puts it in the place of the order that is done with, and tells its length.
    pub fn take(&mut self, done: &mut Vec<u8>) -> Option<usize> {
        let len = std::mem::take(&mut self.len);
        (len > 0).then(|| {
            std::mem::swap(done, &mut self.space);
            len
        })
    }
}

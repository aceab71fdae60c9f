//! What is packed in a gzip file, with a bound on how much that may be.
//!
//! A file may be of several members one behind the other, as programs write it that pack in parallel. All of them count:
//! who stopped at the first would see another archive than `tar` does.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::refused::{Refused, shown};

/// Programs that pack in parallel make members of 64 KiB and more.
const MOST_MEMBERS: usize = 100_000;
/// So much is unpacked at once.
const AHEAD: usize = 64 << 10;

pub(super) struct Unpacked<'a> {
    member: GzDecoder<&'a [u8]>,
    /// What was unpacked and not asked for yet: from here to there. Headers are short, and there may be many.
    ahead: Vec<u8>,
    from: usize,
    to: usize,
    members: usize,
    left: u64,
    ended: bool,
}

impl<'a> Unpacked<'a> {
    pub(super) fn new(packed: &'a [u8], most: u64) -> Self {
        let ahead = vec![0; AHEAD];
        Self { member: GzDecoder::new(packed), ahead, from: 0, to: 0, members: 1, left: most, ended: false }
    }

    /// Fills the buffer, as far as there is something to fill it with. `entry` is what is being read.
    pub(super) fn fill(&mut self, buffer: &mut [u8], entry: &[u8]) -> Result<usize, Refused> {
        let mut filled = 0;
        while filled < buffer.len() {
            let count = (self.to - self.from).min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&self.ahead[self.from..self.from + count]);
            filled += count;
            self.from += count;
            if filled == buffer.len() || self.ended {
                break;
            }
            match self.member.read(&mut self.ahead) {
                Ok(0) => self.next_member()?,
                Ok(read) if read as u64 > self.left => return Err(Refused::TooMuch { name: shown(entry) }),
                Ok(read) => {
                    self.left -= read as u64;
                    (self.from, self.to) = (0, read);
                }
                Err(error) => return Err(Refused::Broken(error.to_string())),
            }
        }
        Ok(filled)
    }

    fn next_member(&mut self) -> Result<(), Refused> {
        let rest = *self.member.get_ref();
        // Tapes are filled up with zeros.
        if rest.iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(());
        }
        if !rest.starts_with(&[0x1f, 0x8b]) || self.members == MOST_MEMBERS {
            return Err(Refused::broken("something follows behind its end"));
        }
        self.member = GzDecoder::new(rest);
        self.members += 1;
        Ok(())
    }
}

impl std::fmt::Debug for Unpacked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacked").field("members", &self.members).field("left", &self.left).finish_non_exhaustive()
    }
}

//! How far an executor may write a stream itself: so much of what the cap allows is set aside for it.

use super::{Spool, piece::LONG};
use crate::{
    domain::{OutputSegment, Stream},
    executor::Sink,
    worker::spool::disk::SpoolDisk,
};

/// So much is set aside at a time.
const MAX_GRANT: u64 = 16 << 20;
/// Less is not worth it: the rest is given as bytes, and the cap is kept to the byte.
const LEAST: u64 = 1 << 20;
/// So much of what the cap still allows is set aside at most, as the other stream may want some.
const SHARE: u64 = 4;

impl Spool {
    /// What an executor is to be ready to write a stream into: the store's file, once it is had.
    pub(in crate::worker) fn sink(&mut self, stream: Stream) -> Option<Sink> {
        self.of_mut(stream).offer().map(Sink::Ready)
    }

    /// The executor holds a stream: how far it may write, if it may at all.
    pub(in crate::worker) fn held(&mut self, stream: Stream) -> Sink {
        if self.granted[stream as usize] > 0 {
            // It was told to go on while it said so.
            return self.granted_up_to(stream);
        }
        self.take_back(stream);
        let may = self.set_aside(stream);
        self.of_mut(stream).leave_writing(may);
        if may { self.granted_up_to(stream) } else { Sink::Over }
    }

    /// Takes what the executor wrote. How far it may go on, where it will soon have to hold.
    pub(in crate::worker) fn wrote(&mut self, run: OutputSegment, disk: &dyn SpoolDisk) -> Option<Sink> {
        let granted = &mut self.granted[run.stream as usize];
        *granted = granted.saturating_sub(run.len);
        let is_short = *granted < MAX_GRANT / 2;
        if !self.of_mut(run.stream).push_written(run.len) {
            // Its file was given up meanwhile: it is part of the gap.
            self.order.tail(run);
            return None;
        }
        self.order.head(run, disk);
        (is_short && self.set_aside(run.stream)).then(|| self.granted_up_to(run.stream))
    }

    /// Who gives bytes again writes no more: what was set aside is for all.
    pub(super) fn take_back(&mut self, stream: Stream) {
        self.of_mut(stream).leave_writing(false);
        let granted = std::mem::take(&mut self.granted[stream as usize]);
        if self.room > 0 {
            self.room += granted;
        }
    }

    fn granted_up_to(&self, stream: Stream) -> Sink {
        Sink::UpTo(self.of(stream).head_end() + self.granted[stream as usize])
    }

    /// Sets something aside, unless little is left or both streams are long: who then takes the last of it is seen only
    /// when it comes.
    fn set_aside(&mut self, stream: Stream) -> bool {
        let other = if stream == Stream::Stdout { Stream::Stderr } else { Stream::Stdout };
        let some = MAX_GRANT.min(self.room / SHARE);
        if some < LEAST || self.of(other).head_end() >= LONG || self.of(stream).output().is_none() {
            return false;
        }
        self.room -= some;
        self.granted[stream as usize] += some;
        true
    }
}

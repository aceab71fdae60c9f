//! What is to be said to the manager, and when it goes into a frame.
//!
//! Short answers go first, then ends, then output in turns, so that a flood of one attempt holds nothing up for longer
//! than a frame. Between `main.sh` printing something and its end often lies a fraction of a millisecond: what is
//! printed is held back for a moment, so that a short execution costs one message.

use std::ops::Range;

use bytes::Bytes;

use super::{
    held::{End, Held, Phase, Queued},
    input::Now,
    machine::WorkerState,
};
use crate::{
    domain::{AttemptKey, Stream},
    link::{EndReport, FIRST_VERSION, FromWorker},
    worker::spool::Piece,
};

/// About how many bytes one frame carries.
const FRAME_BYTES: usize = 256 << 10;

/// At most so many bytes of one stream follow each other.
const TURN_BYTES: usize = 64 << 10;

/// Up to so many bytes of each stream travel with the end.
const WITH_END: usize = 16 << 10;

/// What a message costs beside its bytes, roughly.
const ENVELOPE: usize = 48;

impl WorkerState {
    /// What goes into the next frame; nothing when there is nothing to say. To be called when the link can take one.
    pub fn collect(&mut self, now: Now) -> Vec<FromWorker> {
        if let Some(hello) = self.outgoing.hello.take() {
            return vec![hello];
        }
        self.outgoing.release_ended(now);
        let mut frame = Frame::default();
        if !self.session.is_up() {
            return frame.messages;
        }
        while let Some(message) = self.outgoing.short.pop_front() {
            frame.add(0, message);
        }
        while frame.has_room()
            && let Some(message) = self.installs.next_output(TURN_BYTES)
        {
            frame.add(TURN_BYTES, message);
        }
        let beside_store = self.session.version > FIRST_VERSION && self.disk.is_beside_store();
        while frame.has_room()
            && let Some(key) = self.outgoing.ready.pop_front()
        {
            let Some(held) = self.attempts.held.get_mut(&key) else { continue };
            if held.queued != Queued::Ready {
                continue;
            }
            held.spool.flush_order(&*self.disk);
            if collect_attempt(key, held, &mut frame, beside_store) {
                self.outgoing.ready.push_back(key);
            } else {
                held.queued = Queued::No;
            }
        }
        if self.session.take_heartbeat(now) {
            frame.add(0, FromWorker::Heartbeat);
        }
        if !frame.messages.is_empty() {
            self.session.said(now);
        }
        frame.messages
    }
}

/// What an attempt has to say, for one turn. Whether it has more to say now.
fn collect_attempt(key: AttemptKey, held: &mut Held, frame: &mut Frame, beside_store: bool) -> bool {
    match &held.phase {
        Phase::Waiting(_) | Phase::Unwanted => return false,
        Phase::Ended(end) if end.sent => return false,
        Phase::Live | Phase::Ended(_) => {}
    }
    // A tail follows the whole of its head, so only what has none may travel with the end.
    let with_end = if Stream::BOTH.iter().any(|stream| held.spool.tail(*stream).is_some()) { 0 } else { WITH_END };
    let ends = matches!(held.phase, Phase::Ended(_));
    if !(ends && held.spool.rest_is_within(with_end)) {
        if let (false, Some(at)) = (held.told_running, held.started_at) {
            held.told_running = true;
            frame.add(0, FromWorker::Running { key, at });
        }
        if let Some(Piece { offset, bytes }) = held.spool.next_order(TURN_BYTES) {
            frame.add(bytes.len(), FromWorker::Interleaving { key, offset, bytes });
        }
        for stream in Stream::BOTH {
            if beside_store && held.spool.ask_for_file(stream) {
                frame.add(0, FromWorker::AskOutputFile { key, stream });
            }
            if let Some(Range { start: from, end: to }) = held.spool.next_written(stream) {
                frame.add(0, FromWorker::Wrote { key, stream, from, to });
            }
            if let Some(Piece { offset, bytes }) = held.spool.next_piece(stream, TURN_BYTES) {
                frame.add(bytes.len(), FromWorker::Output { key, stream, offset, bytes });
            }
        }
        if !(ends && held.spool.rest_is_within(with_end)) {
            return held.spool.has_sendable();
        }
    }
    let tails = Stream::BOTH.map(|stream| held.spool.tail(stream).map(|tail| (stream, tail)));
    for (stream, Piece { offset, bytes }) in tails.into_iter().flatten() {
        frame.add(bytes.len(), FromWorker::Tail { key, stream, offset, bytes });
    }
    let mut rest = |stream| held.spool.take_rest(stream, WITH_END);
    let nothing = || Piece { offset: 0, bytes: Bytes::new() };
    let (stdout, stderr) = (rest(Stream::Stdout), rest(Stream::Stderr));
    let (stdout, stderr) = (stdout.unwrap_or_else(nothing), stderr.unwrap_or_else(nothing));
    let order = held.spool.take_rest_of_order(WITH_END).unwrap_or_else(nothing);
    if let Phase::Ended(End { at, end, sent }) = &mut held.phase {
        *sent = true;
        let report = EndReport {
            key,
            started_at: held.started_at,
            ended_at: *at,
            end: end.clone(),
            stdout: stdout.bytes,
            stdout_from: stdout.offset,
            stderr: stderr.bytes,
            stderr_from: stderr.offset,
            order: order.bytes,
            order_from: order.offset,
        };
        frame.add(report.stdout.len() + report.stderr.len(), FromWorker::Ended(Box::new(report)));
    }
    false
}

#[derive(Default)]
struct Frame {
    messages: Vec<FromWorker>,
    bytes: usize,
}

impl Frame {
    fn add(&mut self, bytes: usize, message: FromWorker) {
        self.bytes += bytes + ENVELOPE;
        self.messages.push(message);
    }

    const fn has_room(&self) -> bool {
        self.bytes < FRAME_BYTES
    }
}

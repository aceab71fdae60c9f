//! What is to be said to the manager, and when it goes into a frame.
//!
//! Short answers go first, then ends, then output in turns, so that a flood of one attempt holds nothing up for longer
//! than a frame. Between `main.sh` printing something and its end often lies a fraction of a millisecond: what is
//! printed is held back for [`HOLD`], so that a short execution costs one message.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{
    Now, WorkerState,
    attempts::{Attempts, End, Held, Phase, Queued},
};
use crate::{
    domain::{AttemptKey, Stream},
    link::{EndReport, FromWorker},
    worker::spool::Piece,
};

/// How long news of a running attempt waits for company.
const HOLD: Duration = Duration::from_millis(1);

/// How long the end of an attempt waits for that of others while more of them wait here for a slot. Nobody is kept
/// from working by that, and many short executions cost few frames, and their manager few rounds.
const HOLD_END: Duration = Duration::from_millis(2);

/// About how many bytes one frame carries.
const FRAME_BYTES: usize = 256 << 10;

/// At most so many bytes of one stream follow each other.
const TURN_BYTES: usize = 64 << 10;

/// Up to so many bytes of each stream travel with the end.
const WITH_END: usize = 16 << 10;

/// What a message costs beside its bytes, roughly.
const ENVELOPE: usize = 48;

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    hello: Option<FromWorker>,
    short: VecDeque<FromWorker>,
    held: VecDeque<(Duration, AttemptKey)>,
    ready: VecDeque<AttemptKey>,
    /// Attempts that ended, in order, and when the first of them is to be told of.
    ended: Vec<AttemptKey>,
    ended_due: Option<Duration>,
}

impl Outgoing {
    /// The first thing to be said on a link.
    pub(super) fn greet(&mut self, hello: FromWorker) {
        self.hello = Some(hello);
    }

    /// Says something that is forgotten if the link ends before.
    pub(super) fn say(&mut self, message: FromWorker) {
        self.short.push_back(message);
    }

    /// Whether nothing short waits for a frame.
    pub(super) fn has_said_all(&self) -> bool {
        self.short.is_empty()
    }

    /// The link ended. Gives what it can no longer carry.
    pub(super) fn link_ended(&mut self) -> VecDeque<FromWorker> {
        self.hello = None;
        self.held.clear();
        self.ready.clear();
        self.ended.clear();
        self.ended_due = None;
        std::mem::take(&mut self.short)
    }

    /// There is news of an attempt, which may wait a moment.
    pub(super) fn hold(&mut self, key: AttemptKey, held: &mut Held, now: Now) {
        if held.queued == Queued::No {
            held.queued = Queued::Held;
            self.held.push_back((now.uptime + HOLD, key));
        }
    }

    /// There is news of an attempt for the next frame.
    pub(super) fn ready(&mut self, key: AttemptKey, held: &mut Held) {
        if held.queued != Queued::Ready {
            held.queued = Queued::Ready;
            self.ready.push_back(key);
        }
    }

    /// An attempt has ended. That goes before the output of others, and waits a moment for more of the kind where the
    /// worker has more to do.
    pub(super) fn ended(&mut self, key: AttemptKey, held: &mut Held, has_more: bool, now: Now) {
        if held.queued == Queued::Held {
            self.held.retain(|(_, other)| *other != key);
        }
        if held.queued != Queued::Ready {
            held.queued = Queued::Ready;
            self.ended.push(key);
        }
        let due = now.uptime + if has_more { HOLD_END } else { Duration::ZERO };
        self.ended_due = Some(self.ended_due.map_or(due, |other| other.min(due)));
    }

    /// Makes ready what has ended, when it is time.
    fn release_ended(&mut self, now: Now) {
        if self.ended_due.is_some_and(|due| due <= now.uptime) {
            self.ended_due = None;
            self.ended.drain(..).rev().for_each(|key| self.ready.push_front(key));
        }
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        let held = self.held.front().map(|(due, _)| *due);
        held.into_iter().chain(self.ended_due).min()
    }

    /// Makes ready what was held back for long enough.
    pub(super) fn release_due(&mut self, now: Now, attempts: &mut Attempts) {
        self.release_ended(now);
        while let Some((_, key)) = self.held.pop_front_if(|(due, _)| *due <= now.uptime) {
            if let Some(held) = attempts.held.get_mut(&key)
                && held.queued == Queued::Held
            {
                self.ready(key, held);
            }
        }
    }
}

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
        while frame.has_room()
            && let Some(key) = self.outgoing.ready.pop_front()
        {
            let Some(held) = self.attempts.held.get_mut(&key) else { continue };
            if held.queued != Queued::Ready {
                continue;
            }
            held.spool.flush_order(&*self.disk);
            if collect_attempt(key, held, &mut frame) {
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
fn collect_attempt(key: AttemptKey, held: &mut Held, frame: &mut Frame) -> bool {
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
            frame.add(bytes.len(), FromWorker::Order { key, offset, bytes });
        }
        for stream in Stream::BOTH {
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

//! A run that has a slot.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use pod_core::{
    domain::{AttemptEnd, Stream, Timestamp},
    executor::RunEvent,
};

use super::{
    memory::MemoryWatch,
    plan::{InputFile, Plan},
    pool::Lent,
    wire::{End, Pipe, Report, Stop},
};

/// What the system ends programs with when memory is used up.
const KILLED: i32 = 9;
/// What a shell exits with when a program that it ran was ended so.
const CHILD_KILLED: i32 = 128 + KILLED;

/// An order that found no room, because its slot was being replaced, is tried again after so long.
const TELL_AGAIN: Duration = Duration::from_millis(10);

/// What a run keeps from its beginning to its end, with or without a slot.
#[derive(Debug)]
pub(super) struct Origin {
    dir: PathBuf,
    explain: fn(i32, &Path) -> String,
    memory: Arc<MemoryWatch>,
    /// Deleted with the run.
    _input: Option<InputFile>,
}

impl Origin {
    pub(super) fn new(plan: Plan, memory: &Arc<MemoryWatch>) -> Self {
        let Plan { dir, explain, input, .. } = plan;
        Self { dir, explain, memory: Arc::clone(memory), _input: input }
    }
}

/// A run that has a slot, and has not ended.
#[derive(Debug)]
pub(super) struct Active {
    lent: Lent,
    origin: Origin,
    /// What was asked for, and whether the slot was told.
    stop: Option<(Stop, Told)>,
    /// The new process of the slot has not been told yet to go on, and perhaps to begin.
    revival: Option<Revival>,
    /// How often the system had killed for want of memory when it began.
    kills_before: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Yes,
    NotYet,
}

/// What is still to be said to the new process of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Revival {
    GoOn { with_order: bool },
    Order,
}

/// How a run stands after a packet.
pub(super) enum Step {
    GoesOn,
    Ended,
    /// The slot is gone, and its crew.
    Gone,
}

impl Active {
    pub(super) fn new(lent: Lent, origin: Origin) -> Self {
        let kills_before = origin.memory.kills();
        Self { lent, origin, stop: None, revival: None, kills_before }
    }

    /// The slot, of a run that has ended or is lost.
    pub(super) fn into_lent(self) -> Lent {
        self.lent
    }

    pub(super) fn ask_to_stop(&mut self, mode: Stop) {
        let mode = match self.stop {
            Some((Stop::Kill, _)) => Stop::Kill,
            _ => mode,
        };
        self.stop = Some((mode, Told::NotYet));
        self.tell_to_stop();
    }

    fn tell_to_stop(&mut self) {
        let Some((mode, told)) = &mut self.stop else { return };
        *told = match self.lent.line.send_stop(self.lent.run, *mode) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Told::NotYet,
            // A slot that is gone needs not be told; that it is gone shows when its answer is waited for.
            _ => Told::Yes,
        };
    }

    /// Says what found no room the last time.
    fn tell_again(&mut self) {
        while let Some(revival) = self.revival {
            let (sent, next) = match revival {
                Revival::GoOn { with_order } => (self.lent.line.send_go_on(), with_order.then_some(Revival::Order)),
                Revival::Order => (self.lent.line.send(&self.lent.order), None),
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                _ => self.revival = next,
            }
        }
        if matches!(self.stop, Some((_, Told::NotYet))) {
            self.tell_to_stop();
        }
    }

    /// Waits for the next packet and adds what it tells. Cancellation safe.
    pub(super) async fn receive(&mut self, events: &mut VecDeque<RunEvent>) -> Step {
        let untold = self.revival.is_some() || matches!(self.stop, Some((_, Told::NotYet)));
        let received = tokio::select! {
            biased;
            received = self.lent.ear.receive() => received,
            () = tokio::time::sleep(TELL_AGAIN), if untold => {
                self.tell_again();
                return Step::GoesOn;
            }
        };
        let Some((run, reports)) = received else { return Step::Gone };
        let memory_ended = || self.origin.memory.kills() > self.kills_before;
        let mut step = Step::GoesOn;
        let (mut reborn, mut returned) = (false, false);
        for report in reports {
            match report {
                Report::Reborn => reborn = true,
                // Of an earlier run of this slot.
                _ if run != self.lent.run => {}
                Report::Started { at_ms } => events.push_back(RunEvent::Started { at: Timestamp(at_ms) }),
                Report::Returned => returned = true,
                Report::Output { stream, bytes } => {
                    let stream = match stream {
                        Pipe::Stdout => Stream::Stdout,
                        Pipe::Stderr => Stream::Stderr,
                    };
                    events.push_back(RunEvent::Output { stream, bytes: Bytes::copy_from_slice(bytes) });
                }
                Report::Ended { at_ms, end } => {
                    let end = match attempt_end(end, self.origin.explain, &self.origin.dir) {
                        AttemptEnd::Signalled(KILLED) | AttemptEnd::Exited(CHILD_KILLED) if memory_ended() => {
                            AttemptEnd::OutOfMemory
                        }
                        end => end,
                    };
                    events.push_back(RunEvent::Ended { end, at: Timestamp(at_ms) });
                    step = Step::Ended;
                }
            }
        }
        if returned || reborn {
            self.lent.take_back();
        }
        if reborn {
            step = self.survive(run, events);
        }
        step
    }

    /// The process of the slot was killed, and there is a new one. What the old one ran is lost; what it had not taken
    /// on is for the new one, which passes over everything that was sent before it was told to go on.
    fn survive(&mut self, taken: u64, events: &mut VecDeque<RunEvent>) -> Step {
        let is_lost = taken >= self.lent.run;
        self.revival = Some(Revival::GoOn { with_order: !is_lost });
        if let Some((_, told)) = &mut self.stop {
            *told = Told::NotYet;
        }
        self.tell_again();
        if is_lost {
            events.push_back(RunEvent::Ended { end: AttemptEnd::Lost, at: now() });
            return Step::Ended;
        }
        Step::GoesOn
    }
}

fn attempt_end(end: End, explain: fn(i32, &Path) -> String, dir: &Path) -> AttemptEnd {
    match end {
        End::Exited(code) => AttemptEnd::Exited(code),
        End::Signalled(signal) => AttemptEnd::Signalled(signal),
        End::TimedOut => AttemptEnd::TimedOut,
        End::Terminated => AttemptEnd::Terminated,
        End::NotStarted(errno) => AttemptEnd::StartFailed(explain(errno, dir).into()),
        End::OutOfMemory => AttemptEnd::OutOfMemory,
    }
}

pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

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
    domain::{AttemptOutcome, Stream, Timestamp},
    executor::{RunEvent, Sink},
};

use super::{
    failure,
    installed::Damage,
    memory::MemoryWatch,
    plan::{InputFile, Plan, Runs},
    pool::SlotGuard,
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
    runs: Option<Runs>,
    /// Deleted with the run.
    _input: Option<InputFile>,
}

impl Origin {
    pub(super) fn new(plan: Plan, memory: &Arc<MemoryWatch>) -> Self {
        let Plan { dir, explain, input, runs, .. } = plan;
        Self { dir, explain, memory: Arc::clone(memory), runs, _input: input }
    }
}

/// A run that has a slot, and has not ended.
#[derive(Debug)]
pub(super) struct Active {
    lent: SlotGuard,
    origin: Origin,
    /// What was asked for, and whether the slot was told.
    stop: Option<(Stop, Told)>,
    /// What was said last of writing its streams into files, and is still to be told.
    sinks: [Option<Sink>; 2],
    /// The birth of a new process of the slot that has not been told yet to go on.
    revived: Option<u64>,
    /// Whether the slot, or its new process, is still to be sent the order.
    unsent: bool,
    /// The process that ran it was killed: it ends as soon as the new one was told to go on.
    lost: bool,
    /// How often the system had killed for want of memory when it began.
    kills_before: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Yes,
    NotYet,
}

/// How a run stands after a packet.
pub(super) enum Step {
    GoesOn,
    Ended,
    /// The slot is gone, and its spawner.
    Gone,
}

impl Active {
    pub(super) fn new(lent: SlotGuard, origin: Origin) -> Self {
        let kills_before = origin.memory.kills();
        let unsent = !lent.sent;
        Self { lent, origin, stop: None, sinks: [None, None], revived: None, unsent, lost: false, kills_before }
    }

    /// The slot, of a run that has ended or is lost.
    pub(super) fn into_lent(self) -> SlotGuard {
        self.lent
    }

    pub(super) fn ask_to_stop(&mut self, mode: Stop) {
        let mode = match self.stop {
            Some((Stop::Kill, _)) => Stop::Kill,
            _ => mode,
        };
        self.stop = Some((mode, Told::NotYet));
        // Behind the order that it is about.
        self.tell();
    }

    /// Has a stream written into a file. What is still to be told of it before is overtaken.
    pub(super) fn write_to(&mut self, stream: Stream, sink: &Sink) {
        self.sinks[stream as usize] = Some(sink.clone());
        self.tell();
    }

    fn tell_to_stop(&mut self) {
        let Some((mode, told)) = &mut self.stop else { return };
        *told = match self.lent.line.send_stop(self.lent.run, *mode) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Told::NotYet,
            // A slot that is gone needs not be told; that it is gone shows when its answer is waited for.
            _ => Told::Yes,
        };
    }

    /// Says what has not been said yet, as far as there is room.
    fn tell(&mut self) {
        let no_room = |sent: io::Result<()>| sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        if let Some(birth) = self.revived {
            if no_room(self.lent.line.send_go_on(birth)) {
                return;
            }
            self.revived = None;
        }
        if self.unsent {
            if no_room(self.lent.line.send(&self.lent.order)) {
                return;
            }
            self.unsent = false;
        }
        if matches!(self.stop, Some((_, Told::NotYet))) {
            self.tell_to_stop();
        }
        for (place, stream) in [Pipe::Stdout, Pipe::Stderr].into_iter().enumerate() {
            if let Some(sink) = &self.sinks[place]
                && !no_room(self.lent.line.send_sink(self.lent.run, stream, sink))
            {
                self.sinks[place] = None;
            }
        }
    }

    /// Waits for the next packet and adds what it tells. Cancellation safe.
    pub(super) async fn receive(&mut self, events: &mut VecDeque<RunEvent>) -> Step {
        let untold = self.revived.is_some()
            || self.unsent
            || matches!(self.stop, Some((_, Told::NotYet)))
            || self.sinks.iter().any(Option::is_some);
        let received = tokio::select! {
            biased;
            received = self.lent.ear.receive() => received,
            () = tokio::time::sleep(TELL_AGAIN), if untold => {
                self.tell();
                return self.lost_if_told(events);
            }
        };
        let Some((run, reports)) = received else { return Step::Gone };
        let memory_ended = || self.origin.memory.kills() > self.kills_before;
        let mut step = Step::GoesOn;
        let (mut reborn, mut returned) = (None, false);
        for report in reports {
            match report {
                Report::Reborn { birth } => reborn = Some(birth),
                // Of an earlier run of this slot.
                _ if run != self.lent.run => {}
                Report::Started { at_ms } => {
                    self.origin.runs.iter().for_each(Runs::begun);
                    events.push_back(RunEvent::Started { at: Timestamp(at_ms) });
                }
                Report::Returned => returned = true,
                Report::Holds { stream } => events.push_back(RunEvent::Holds { stream: of(stream) }),
                Report::Wrote { stream, len } => events.push_back(RunEvent::Wrote { stream: of(stream), len }),
                Report::Output { stream, bytes } => {
                    let stream = of(stream);
                    events.push_back(RunEvent::Output { stream, bytes: Bytes::copy_from_slice(bytes) });
                }
                Report::Ended { at_ms, end } => {
                    let damage = self.origin.runs.as_ref().and_then(|runs| Some((runs, runs.damage(end)?)));
                    if damage.is_some() {
                        events.push_back(RunEvent::InstallationLost);
                    }
                    let end = match damage {
                        Some(_) if self.stop.is_some() => AttemptOutcome::Terminated,
                        Some((_, Damage::Passing)) => AttemptOutcome::Recalled,
                        Some((runs, Damage::Lasting)) => AttemptOutcome::StartFailed(runs.lasting().into()),
                        None => match attempt_end(end, self.origin.explain, &self.origin.dir) {
                            AttemptOutcome::Signalled(KILLED) | AttemptOutcome::Exited(CHILD_KILLED)
                                if memory_ended() =>
                            {
                                AttemptOutcome::OutOfMemory
                            }
                            end => end,
                        },
                    };
                    events.push_back(RunEvent::Ended { end, at: Timestamp(at_ms) });
                    step = Step::Ended;
                }
            }
        }
        if returned || reborn.is_some() {
            self.lent.take_back();
        }
        if let Some(birth) = reborn {
            self.survive(run, birth);
            step = self.lost_if_told(events);
        }
        step
    }

    /// The process of the slot was killed, and there is a new one. What the old one ran is lost; what it had not taken
    /// on is for the new one, which passes over everything that was sent before it was told to go on.
    fn survive(&mut self, taken: u64, birth: u64) {
        self.lost |= taken >= self.lent.run;
        self.revived = Some(birth);
        self.unsent = !self.lost;
        if let Some((_, told)) = &mut self.stop {
            *told = Told::NotYet;
        }
        self.tell();
    }

    /// Ends a run that is lost; not before the next one of its slot can be heard there.
    fn lost_if_told(&self, events: &mut VecDeque<RunEvent>) -> Step {
        if !self.lost || self.revived.is_some() {
            return Step::GoesOn;
        }
        events.push_back(RunEvent::Ended { end: AttemptOutcome::Lost, at: now() });
        Step::Ended
    }
}

const fn of(stream: Pipe) -> Stream {
    match stream {
        Pipe::Stdout => Stream::Stdout,
        Pipe::Stderr => Stream::Stderr,
    }
}

fn attempt_end(end: End, explain: fn(i32, &Path) -> String, dir: &Path) -> AttemptOutcome {
    match end {
        End::Exited(code) => AttemptOutcome::Exited(code),
        End::Signalled(signal) => AttemptOutcome::Signalled(signal),
        End::TimedOut => AttemptOutcome::TimedOut,
        End::Terminated => AttemptOutcome::Terminated,
        End::NotStarted(errno) => AttemptOutcome::StartFailed(explain(errno, dir).into()),
        End::NoPlace(errno) => AttemptOutcome::StartFailed(failure::no_place(errno, dir).into()),
        End::OutOfMemory => AttemptOutcome::OutOfMemory,
        End::Damaged => AttemptOutcome::StartFailed("it is not what was installed".into()),
        // Said by the init of a container only.
        End::NoUser | End::NoFence(_) => AttemptOutcome::StartFailed("its container is not ready for it".into()),
    }
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

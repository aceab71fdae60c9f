//! One run: a program from its start until no process of it is left and all of its output was told.

use std::{
    ffi::{CStr, OsStr},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    packet::Gone,
    sink::Sink,
    slot::Slot,
    sys::{self, Child, POLLIN, POLLOUT, Patience, PollFd, SIGKILL, SIGTERM},
    tree,
    wire::{End, LINGER, Order, Pipe, READ_SIZE, Report, Start, Stop},
    witness::Witness,
};

/// Most programs end within this time: until then their pipes are left alone, which saves them a wake-up or two.
const QUIET_TIME: Duration = Duration::from_micros(700);
/// So long output may wait for more of it, or for the end.
const GATHER: Duration = Duration::from_micros(300);
/// Who prints so much at a time is read without a pause.
const FLOOD: usize = 16 * 1024;
/// The pipe of who fills it, so that program and slot wait for each other less often.
const FLOOD_PIPE: i32 = 512 * 1024;
/// No order but one to start is longer: one to write, with its path.
const SHORT_ORDER: usize = 4096 + 64;
/// So long the news of the start may wait for output, or for the end; and an order that was sent ahead, for its turn.
const GATHER_START: Duration = Duration::from_millis(5);

/// What a slot does after a run.
pub enum Next {
    /// It serves on.
    Serve,
    /// It exits: the worker or the supervisor is gone.
    Leave,
}

/// Runs a program to its end.
pub fn run(slot: &mut Slot, start: &Start<'_>) -> Next {
    slot.packet.begin(start.run);
    if start.witness.is_some_and(|(path, was)| !is_still(path, was)) {
        return conclude(slot, End::Damaged);
    }
    let (program, pipes) = match launch(slot, start) {
        Ok(launched) => launched,
        Err(end) => return conclude(slot, end),
    };
    slot.packet.add(&Report::Started { at_ms: sys::unix_millis() }, GATHER_START);
    let now = Instant::now();
    let run = Run {
        slot,
        number: start.run,
        program,
        pipes,
        widened: [false; 2],
        sinks: [Sink::new(Pipe::Stdout), Sink::new(Pipe::Stderr)],
        loud_from: now + QUIET_TIME,
        long_from: now + GATHER_START,
        deadline: start.timeout_ms.and_then(|limit| now.checked_add(Duration::from_millis(limit))),
        grace: Duration::from_millis(start.grace_ms),
        status: None,
        linger_until: None,
        stopping: None,
        alone: false,
        left: false,
    };
    run.complete()
}

/// Whether a file is what it was.
fn is_still(path: &CStr, was: Witness) -> bool {
    Witness::of(Path::new(OsStr::from_bytes(path.to_bytes()))).is_ok_and(|is| is == was)
}

type Pipes = [Option<OwnedFd>; 2];

fn launch(slot: &mut Slot, start: &Start<'_>) -> Result<(i32, Pipes), End> {
    let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(0);
    let not_started = |error| End::NotStarted(errno(error));
    let (stdout, stdout_end) = sys::pipe().map_err(not_started)?;
    let (stderr, stderr_end) = sys::pipe().map_err(not_started)?;
    let place = slot.workdirs.open(start).map_err(|error| End::NoPlace(errno(error)))?;
    let (dir, more) = place.map_or((start.dir, Vec::new()), |place| (&*place.dir, place.variables(start)));
    let program = slot.launcher.start(start, dir, &more, &stdout_end, &stderr_end).map_err(End::NotStarted)?;
    Ok((program, [Some(stdout), Some(stderr)]))
}

struct Run<'s> {
    slot: &'s mut Slot,
    number: u64,
    /// The process that was started; also its process group.
    program: i32,
    pipes: Pipes,
    /// Which pipes were given more room.
    widened: [bool; 2],
    /// Where what they give goes.
    sinks: [Sink; 2],
    /// From then on the pipes and the worker are watched.
    loud_from: Instant,
    /// From then on nothing waits for this run to end.
    long_from: Instant,
    deadline: Option<Instant>,
    grace: Duration,
    /// How the program ended.
    status: Option<i32>,
    /// Until then those may print that had its output when it ended.
    linger_until: Option<Instant>,
    stopping: Option<Stopping>,
    /// No process of the run is left.
    alone: bool,
    /// The worker or the supervisor is gone.
    left: bool,
}

/// A tree that was told to end.
struct Stopping {
    /// What the run will have ended by.
    end: End,
    /// Until then it may do so by itself; at no time when that lies beyond what the clock can tell.
    kill_at: Option<Instant>,
    /// The processes that were told.
    told: Vec<i32>,
}

/// The places in the list that is polled.
const SOCKET: usize = 0;
const LIFE: usize = 1;
const CHILDREN: usize = 2;
const PIPES: usize = 3;

impl Run<'_> {
    fn complete(mut self) -> Next {
        loop {
            let now = Instant::now();
            self.keep_time(now);
            if self.is_over(now) {
                break;
            }
            if self.slot.packet.send_if_due(&self.slot.socket, now).is_err() {
                self.left = true;
                break;
            }
            self.wait(now);
        }
        self.clear_away()
    }

    /// Whether it is time to kill what is left. A program that ended by itself takes its tree along as soon as nobody
    /// can print any more; one that was told to end leaves the others the rest of the grace time.
    fn is_over(&self, now: Instant) -> bool {
        match &self.stopping {
            _ if self.left || self.alone => true,
            None => self.status.is_some() && self.linger_until.is_none_or(|moment| now >= moment || self.is_silent()),
            Some(stopping) => stopping.kill_at.is_some_and(|moment| now >= moment),
        }
    }

    /// Whether both pipes have been read to their end.
    fn is_silent(&self) -> bool {
        self.pipes.iter().all(Option::is_none)
    }

    /// Whether somebody could still print: the program is gone, and has given one of its pipes to others.
    fn is_heard(&self) -> bool {
        let mut ends = [PollFd::NONE, PollFd::NONE];
        for (end, pipe) in ends.iter_mut().zip(&self.pipes) {
            *end = pipe.as_ref().map_or(PollFd::NONE, |pipe| PollFd::new(pipe, 0));
        }
        sys::poll(&mut ends, Some(Duration::ZERO));
        ends.iter().zip(&self.pipes).any(|(end, pipe)| pipe.is_some() && !end.happened())
    }

    fn keep_time(&mut self, now: Instant) {
        if self.stopping.is_none() && self.status.is_none() && self.deadline.is_some_and(|deadline| now >= deadline) {
            self.stop(End::TimedOut, now);
        }
        if now >= self.long_from && self.slot.ahead.is_there() {
            self.slot.ahead.give_up();
            self.slot.packet.add(&Report::Returned, Duration::ZERO);
        }
    }

    fn stop(&mut self, end: End, now: Instant) {
        let told = if self.grace.is_zero() { Vec::new() } else { tree::signal(self.program, SIGTERM) };
        self.stopping = Some(Stopping { end, kill_at: now.checked_add(self.grace), told });
    }

    fn wait(&mut self, now: Instant) {
        let stuck = self.slot.packet.is_stuck();
        let quiet = now < self.loud_from;
        let socket = match (stuck, quiet) {
            (true, _) => PollFd::new(&self.slot.socket, POLLIN | POLLOUT),
            (false, true) => PollFd::NONE,
            (false, false) => PollFd::new(&self.slot.socket, POLLIN),
        };
        let mut fds = [
            socket,
            PollFd::new(&self.slot.life, POLLIN),
            PollFd::new(&self.slot.children, POLLIN),
            PollFd::NONE,
            PollFd::NONE,
        ];
        for (place, pipe) in self.pipes.iter().enumerate() {
            if let Some(pipe) = pipe.as_ref().filter(|_| !stuck && !quiet && !self.sinks[place].holds()) {
                fds[PIPES + place] = PollFd::new(pipe, POLLIN);
            }
        }
        let moments = [
            quiet.then_some(self.loud_from),
            self.slot.ahead.is_there().then_some(self.long_from),
            self.slot.packet.due(),
            self.deadline.filter(|_| self.stopping.is_none() && self.status.is_none()),
            self.linger_until.filter(|_| self.stopping.is_none()),
            self.stopping.as_ref().and_then(|stopping| stopping.kill_at),
        ];
        let first = moments.into_iter().flatten().min();
        sys::poll(&mut fds, first.map(|moment| moment.saturating_duration_since(now)));

        for (place, stream) in [Pipe::Stdout, Pipe::Stderr].into_iter().enumerate() {
            if fds[PIPES + place].happened() {
                self.read(place, stream);
            }
        }
        if fds[CHILDREN].happened() {
            sys::discard(&self.slot.children);
            self.reap();
        }
        if fds[SOCKET].revents & !POLLOUT != 0 {
            self.obey();
        }
        if fds[LIFE].happened() {
            self.left = true;
        }
    }

    fn read(&mut self, place: usize, stream: Pipe) {
        let Some(pipe) = &self.pipes[place] else { return };
        if !self.slot.packet.has_room() {
            return;
        }
        let sink = &mut self.sinks[place];
        let got = if sink.is_file() {
            match sink.read(pipe, &mut self.slot.packet, &self.slot.socket) {
                Ok(got) => got,
                Err(Gone) => return self.left = true,
            }
        } else {
            let got = self.slot.packet.read(pipe, stream, READ_SIZE, GATHER);
            sink.gave(got);
            got
        };
        match got {
            0 => self.pipes[place] = None,
            // Probably there is a little more, and then the end: one wake-up for all of it.
            1..FLOOD => self.loud_from = Instant::now() + GATHER,
            READ_SIZE.. if !self.widened[place] => {
                self.widened[place] = true;
                sys::enlarge(pipe, FLOOD_PIPE);
            }
            // More than a pause of the reading would leave room for in the pipe.
            _ => {}
        }
    }

    /// Reaps who has ended. With the program its group is killed, while the number of its leader is still taken: then
    /// no other group can be meant. But where a filter of its own has its output, that gets the time to print the rest.
    fn reap(&mut self) {
        loop {
            match sys::peek_ended() {
                Child::Ended(pid, _) => {
                    if pid == self.program && self.stopping.is_none() {
                        if self.is_heard() {
                            let moment = Instant::now() + LINGER;
                            self.linger_until = Some(self.deadline.map_or(moment, |deadline| deadline.min(moment)));
                        } else {
                            sys::kill(-pid, SIGKILL);
                        }
                    }
                    let Child::Ended(_, status) = sys::reap(pid) else { continue };
                    if pid == self.program {
                        self.status = Some(status);
                    }
                    if let Some(stopping) = &mut self.stopping
                        && ended_by(status) == End::Signalled(SIGTERM)
                    {
                        tree::signal_orphans(&mut stopping.told, SIGTERM);
                    }
                }
                Child::Busy => return,
                Child::None => {
                    self.alone = true;
                    return;
                }
            }
        }
    }

    fn obey(&mut self) {
        let mut small = [0; SHORT_ORDER];
        // Where there is an order already, another one is one that was sent again.
        let space = self.slot.ahead.space().unwrap_or(&mut small[..]);
        let packet = match sys::receive_packet(&self.slot.socket, space, Patience::DontWait) {
            Ok([]) => return self.left = true,
            Ok(packet) => packet,
            Err(error) if error.raw_os_error() == Some(sys::EAGAIN) => return,
            Err(_) => return self.left = true,
        };
        let len = packet.len();
        match Order::decode(packet) {
            Some(Order::Start(Start { run, .. })) if run > self.number => self.slot.ahead.keep(len),
            Some(Order::Stop { run, mode }) if run == self.number => self.obey_stop(mode),
            Some(Order::Write { run, stream, until, device, inode, path }) if run == self.number => {
                self.sinks[stream as usize].obey(until, (device, inode), path, &mut self.slot.packet);
            }
            _ => {}
        }
    }

    fn obey_stop(&mut self, mode: Stop) {
        let now = Instant::now();
        match (mode, &mut self.stopping) {
            // It has ended by itself.
            (_, None) if self.status.is_some() => self.linger_until = Some(now),
            (Stop::Terminate, None) => self.stop(End::Terminated, now),
            (Stop::Terminate, Some(_)) => {}
            (Stop::Kill, None) => {
                self.stopping = Some(Stopping { end: End::Terminated, kill_at: Some(now), told: Vec::new() });
            }
            (Stop::Kill, Some(stopping)) => stopping.kill_at = Some(now),
        }
    }

    /// Ends what is left, tells what is still in the pipes, and how it ended.
    fn clear_away(mut self) -> Next {
        if !self.alone {
            let (program, status) = (self.program, &mut self.status);
            tree::kill_all(&self.slot.children, &mut Vec::new(), |pid, ended| {
                if pid == program {
                    *status = Some(ended);
                }
            });
        }
        let end = match (&self.stopping, self.status) {
            (Some(stopping), _) => Some(stopping.end),
            (None, Some(status)) => Some(ended_by(status)),
            (None, None) => None,
        };
        // A run that was cut off by the end of worker or supervisor, not by its own, is told nothing of: it is lost.
        let Some(end) = end.filter(|_| self.stopping.is_some() || !self.left) else { return Next::Leave };
        for (place, stream) in [Pipe::Stdout, Pipe::Stderr].into_iter().enumerate() {
            if let Some(pipe) = self.pipes[place].take()
                && self.drain(&pipe, stream).is_err()
            {
                return Next::Leave;
            }
        }
        match conclude(self.slot, end) {
            Next::Serve if !self.left => Next::Serve,
            _ => Next::Leave,
        }
    }

    /// Reads what is in a pipe now and no more: somebody outside the tree may have got hold of the other end.
    fn drain(&mut self, pipe: &OwnedFd, stream: Pipe) -> Result<(), Gone> {
        let mut waiting = sys::waiting_in(pipe);
        while waiting > 0 {
            if !self.slot.packet.has_room() {
                self.slot.packet.send(&self.slot.socket)?;
            }
            let got = self.slot.packet.read(pipe, stream, waiting, Duration::ZERO);
            if got == 0 {
                break;
            }
            waiting -= got;
        }
        Ok(())
    }
}

fn conclude(slot: &mut Slot, end: End) -> Next {
    let at_ms = sys::unix_millis();
    // Before anybody hears of the end: what it wrote is not there any more then.
    slot.workdirs.close();
    slot.packet.add(&Report::Ended { at_ms, end }, Duration::ZERO);
    match slot.packet.send(&slot.socket) {
        Ok(()) => Next::Serve,
        Err(_) => Next::Leave,
    }
}

/// A status of `waitpid` in words.
pub fn ended_by(status: i32) -> End {
    match status & 0x7f {
        0 => End::Exited((status >> 8) & 0xff),
        signal => End::Signalled(signal),
    }
}

//! The executor of a machine: programs in slots, and what they do in virtual time.

use std::collections::{BTreeMap, VecDeque};

use super::{
    calendar::Calendar,
    disk::Disk,
    program::{Beginning, Program},
};
use crate::{
    domain::{AttemptKey, AttemptOutcome, Timestamp},
    executor::{RunEvent, StartError, StartRequest, StopMode},
    testing::simulator::{
        content,
        ledger::{Ledger, Place},
        luck::Luck,
    },
    worker::state::Input,
};

/// Something that a program does; the number tells it from another one of the same attempt.
#[derive(Debug)]
struct Due {
    key: AttemptKey,
    run: u64,
    does: Does,
}

#[derive(Debug)]
enum Does {
    Begin,
    /// It prints what is next.
    Print,
    /// It ends by itself.
    End,
    /// It ends because somebody wanted it to.
    Stopped,
    /// Its time is up.
    TimeUp,
    /// It did not heed TERM for its grace time.
    Kill,
}

/// An executor.
#[derive(Debug)]
pub(super) struct ModelExecutor {
    place: Place,
    slots: u32,
    ahead: u32,
    /// How far the clock of the machine is ahead.
    pub(super) wall_ahead: i64,
    runs: u64,
    programs: BTreeMap<AttemptKey, (u64, Program)>,
    /// Those that wait for a slot.
    waiting: VecDeque<AttemptKey>,
    calendar: Calendar<Due>,
}

impl ModelExecutor {
    pub(super) fn new(place: Place, slots: u32, ahead: u32) -> Self {
        Self {
            place,
            slots,
            ahead,
            wall_ahead: 0,
            runs: 0,
            programs: BTreeMap::new(),
            waiting: VecDeque::new(),
            calendar: Calendar::default(),
        }
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<i64> {
        self.calendar.next()
    }

    /// Everything stands still for so long.
    pub(super) fn postpone(&mut self, by: i64) {
        self.calendar.postpone(by);
    }

    /// How many programs it was given that have not ended.
    pub(super) fn count(&self) -> usize {
        self.programs.len()
    }

    /// Whether the program of an attempt has begun.
    pub(super) fn has_begun(&self, key: AttemptKey) -> bool {
        self.programs.get(&key).is_some_and(|(_, program)| program.begun)
    }

    pub(super) fn start(&mut self, request: StartRequest, now: i64, luck: &mut Luck) -> Result<(), String> {
        let key = request.key;
        self.runs += 1;
        if self.programs.insert(key, (self.runs, Program::draw(request, luck))).is_some() {
            return Err(format!("{key} was given to an executor that has it"));
        }
        let (live, most) = (self.programs.len(), self.slots + self.ahead);
        if live > most as usize {
            return Err(format!("{live} programs are live on {:?}, which takes {most}", self.place));
        }
        self.waiting.push_back(key);
        self.fill_slots(now);
        Ok(())
    }

    fn fill_slots(&mut self, now: i64) {
        let in_slots = |programs: &BTreeMap<_, (u64, Program)>| programs.values().filter(|(_, it)| it.has_slot).count();
        while in_slots(&self.programs) < self.slots as usize
            && let Some(key) = self.waiting.pop_front()
        {
            let Some((run, program)) = self.programs.get_mut(&key) else { continue };
            program.has_slot = true;
            let (run, at) = (*run, now + program.start_delay);
            self.calendar.put(at, Due { key, run, does: Does::Begin });
        }
    }

    /// A stop, in a harder mode or for the first time.
    pub(super) fn stop(&mut self, key: AttemptKey, mode: StopMode, now: i64, luck: &mut Luck) {
        let Some((run, program)) = self.programs.get_mut(&key) else { return };
        let run = *run;
        let soon = now + luck.programs.between(0, 20).cast_signed();
        let at = match mode {
            StopMode::Terminate if program.begun => {
                self.calendar.put(now + program.grace(), Due { key, run, does: Does::Kill });
                let Some(delay) = program.heeds_term else { return };
                now + delay
            }
            StopMode::Terminate | StopMode::Kill => soon,
        };
        program.ending.get_or_insert(AttemptOutcome::Terminated);
        if !program.begun {
            self.waiting.retain(|other| *other != key);
        }
        self.calendar.put(at, Due { key, run, does: Does::Stopped });
    }

    pub(super) fn recall(&mut self, key: AttemptKey, now: i64, luck: &mut Luck) {
        let Some((run, program)) = self.programs.get_mut(&key) else { return };
        if program.begun || program.ending.is_some() {
            return;
        }
        program.ending = Some(AttemptOutcome::Recalled);
        let at = now + luck.programs.between(0, 10).cast_signed();
        self.calendar.put(at, Due { key, run: *run, does: Does::Stopped });
        self.waiting.retain(|other| *other != key);
    }

    /// Adds what has happened by now, in its order.
    pub(super) fn pass(
        &mut self,
        now: i64,
        disk: &mut Disk,
        ledger: &mut Ledger,
        inputs: &mut Vec<Input>,
    ) -> Result<(), String> {
        while let Some((at, Due { key, run, does })) = self.calendar.take(now) {
            let Some((_, program)) = self.programs.get_mut(&key).filter(|(number, _)| *number == run) else { continue };
            match does {
                Does::Begin if program.ending.is_some() => {}
                Does::Begin => self.begin(key, at, disk, ledger, inputs)?,
                // Stopped, it prints nothing more.
                Does::Print if program.ending.is_some() => {}
                Does::Print => self.print(key, at, ledger, inputs),
                Does::End => match program.ending.clone().or_else(|| program.end.clone()) {
                    Some(end) => self.end(key, end, at, ledger, inputs),
                    None => self.vanish(key, at, ledger, inputs),
                },
                Does::Stopped | Does::Kill => {
                    let end = program.ending.clone().unwrap_or(AttemptOutcome::Terminated);
                    self.end(key, end, at, ledger, inputs);
                }
                Does::TimeUp => {
                    let (grace, heeds) = (program.grace(), program.heeds_term);
                    program.ending.get_or_insert(AttemptOutcome::TimedOut);
                    let gone = at + heeds.unwrap_or(grace).min(grace);
                    self.calendar.put(gone, Due { key, run, does: Does::Stopped });
                }
            }
        }
        Ok(())
    }

    fn begin(
        &mut self,
        key: AttemptKey,
        at: i64,
        disk: &mut Disk,
        ledger: &mut Ledger,
        inputs: &mut Vec<Input>,
    ) -> Result<(), String> {
        let Some((run, program)) = self.programs.get_mut(&key) else { return Ok(()) };
        let run = *run;
        let installed = (program.request.activity, program.request.revision);
        match program.beginning {
            Beginning::Fails => {
                self.forget(key, at, ledger);
                inputs.push(Input::StartFailed(key, StartError { message: "there is no memory for it".to_owned() }));
            }
            Beginning::Vanishes => self.vanish(key, at, ledger, inputs),
            beginning if beginning == Beginning::InstallationLost || !disk.installed.contains(&installed) => {
                disk.installed.remove(&installed);
                inputs.push(Input::Run(key, RunEvent::InstallationLost));
                self.end(key, AttemptOutcome::Recalled, at, ledger, inputs);
            }
            _ => {
                program.begun = true;
                ledger.begin(key, (program.activity(), installed.1), self.place, disk.is_small)?;
                inputs.push(Input::Run(key, RunEvent::Started { at: Timestamp(at + self.wall_ahead) }));
                if let Some((moment, ..)) = program.writes.front() {
                    self.calendar.put(at + moment, Due { key, run, does: Does::Print });
                }
                if let Some(timeout) = program.timeout() {
                    self.calendar.put(at + timeout.0.cast_signed(), Due { key, run, does: Does::TimeUp });
                }
                if let Some(run_time) = program.run_time {
                    self.calendar.put(at + run_time, Due { key, run, does: Does::End });
                }
                program.writes.iter_mut().for_each(|(moment, ..)| *moment += at);
            }
        }
        Ok(())
    }

    /// Prints everything of this moment, and notes when there is more.
    fn print(&mut self, key: AttemptKey, at: i64, ledger: &mut Ledger, inputs: &mut Vec<Input>) {
        let Some((run, program)) = self.programs.get_mut(&key) else { return };
        while let Some((_, stream, mut len)) = program.writes.pop_front_if(|(moment, ..)| *moment <= at) {
            while len > 0 {
                let source = (self.place.history, key);
                let offset = ledger.printed(source, stream);
                let bytes = content::piece(source, stream, offset, usize::try_from(len).unwrap_or(usize::MAX));
                len -= bytes.len() as u64;
                ledger.print(source, stream, bytes.len() as u64);
                inputs.push(Input::Run(key, RunEvent::Output { stream, bytes }));
            }
        }
        if let Some((moment, ..)) = program.writes.front() {
            self.calendar.put(*moment, Due { key, run: *run, does: Does::Print });
        }
    }

    fn end(&mut self, key: AttemptKey, end: AttemptOutcome, at: i64, ledger: &mut Ledger, inputs: &mut Vec<Input>) {
        self.forget(key, at, ledger);
        inputs.push(Input::Run(key, RunEvent::Ended { end, at: Timestamp(at + self.wall_ahead) }));
    }

    fn vanish(&mut self, key: AttemptKey, at: i64, ledger: &mut Ledger, inputs: &mut Vec<Input>) {
        self.forget(key, at, ledger);
        inputs.push(Input::Vanished(key));
    }

    fn forget(&mut self, key: AttemptKey, at: i64, ledger: &mut Ledger) {
        self.programs.remove(&key);
        self.waiting.retain(|other| *other != key);
        ledger.end((self.place.history, key));
        self.fill_slots(at);
    }

    /// The worker process is gone: its spawners notice, and end everything.
    pub(super) fn die(&mut self, ledger: &mut Ledger) {
        for key in std::mem::take(&mut self.programs).into_keys() {
            ledger.end((self.place.history, key));
        }
        self.calendar = Calendar::default();
        self.waiting.clear();
    }
}

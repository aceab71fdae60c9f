//! One run of a program in a slot: orders out, reports in.

use std::{
    collections::VecDeque,
    ffi::{CStr, CString, OsString},
    fs, io, mem,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use pod_core::{
    domain::{AttemptEnd, Millis, Stream, Timestamp},
    executor::{RunEvent, Running, StartError, StartRequest, StopMode},
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    crew::Purpose,
    entry::Entry,
    environment::c_path,
    failure,
    memory::MemoryWatch,
    slot::Lent,
    wire::{ARGUMENT_LIMIT, End, ORDER_LIMIT, Order, Pipe, Report, Start, Stop},
};

/// A program that runs.
#[derive(Debug)]
pub(super) struct ProcessRun {
    /// What is known and not told yet.
    events: VecDeque<RunEvent>,
    phase: Phase,
    /// Where to end a run that nobody wants any more.
    runtime: Handle,
}

#[derive(Debug)]
enum Phase {
    Active(Box<Active>),
    /// The spawner was killed. Told as a loss when nothing is left of what it ran.
    Lost(CancellationToken),
    Over,
}

/// What to run, ready for the slot.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) program: CString,
    pub(super) args: Vec<CString>,
    pub(super) env: Vec<CString>,
    pub(super) dir: PathBuf,
    pub(super) timeout: Option<Millis>,
    pub(super) grace: Millis,
    pub(super) input: Option<InputFile>,
    /// Makes a sentence of the system's error when it cannot be started.
    pub(super) explain: fn(i32, &Path) -> String,
}

/// A run that has not ended.
#[derive(Debug)]
struct Active {
    lent: Lent,
    run: u64,
    /// Kept until the slot has taken it on.
    order: Option<Vec<u8>>,
    /// What was asked for, and whether the slot was told.
    stop: Option<(Stop, Told)>,
    dir: PathBuf,
    explain: fn(i32, &Path) -> String,
    memory: Arc<MemoryWatch>,
    /// How often the system had killed for want of memory when it began.
    kills_before: u64,
    /// Deleted with the run.
    _input: Option<InputFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Yes,
    NotYet,
}

/// How a run stands after a packet.
enum Step {
    GoesOn,
    Ended,
    /// The slot is gone, and its crew.
    Gone,
}

/// What the system ends programs with when memory is used up.
const KILLED: i32 = 9;
/// What a shell exits with when a program that it ran was ended so.
const CHILD_KILLED: i32 = 128 + KILLED;

/// An order that found no room, because its slot was being replaced, is tried again after so long.
const TELL_AGAIN: Duration = Duration::from_millis(10);

impl ProcessRun {
    /// Runs `main.sh` of an installation.
    pub(super) async fn start(shared: &Arc<Shared>, request: StartRequest) -> Result<Self, StartError> {
        let failed = |message: String| StartError { message };
        let installed = (request.activity, request.revision);
        let entry = shared.installed().get(&installed).copied().ok_or_else(|| {
            failed(format!(
                "revision {} of the activity {} is not installed on this worker",
                request.revision, request.activity_name
            ))
        })?;
        let plan = plan(shared, request, entry).map_err(failed)?;
        Self::begin(shared, plan, Purpose::Execution).await.map_err(failed)
    }

    /// Runs anything, once a slot is free; a sentence when that cannot be.
    pub(super) async fn begin(shared: &Shared, plan: Plan, purpose: Purpose) -> Result<Self, String> {
        let mut lent = shared.crew.lend(purpose).await?;
        let run = lent.slot.next_run();
        let order = match encode(run, &plan) {
            Ok(order) => order,
            Err(message) => {
                lent.give_back();
                return Err(message);
            }
        };
        let Plan { dir, input, explain, .. } = plan;
        let memory = Arc::clone(&shared.memory);
        let kills_before = memory.kills();
        let order = Some(order);
        let active =
            Box::new(Active { lent, run, order, stop: None, dir, explain, memory, kills_before, _input: input });
        match active.send_order() {
            // That the slot is gone is found, and told as a loss, when its answer is waited for.
            Ok(()) | Err(Refused::Gone) => {
                let phase = Phase::Active(active);
                Ok(Self { events: VecDeque::with_capacity(4), phase, runtime: shared.runtime.clone() })
            }
            Err(Refused::TooLong) => {
                active.lent.give_back();
                Err("the input and the environment are longer than this system lets one hand on; \
                     make the activity's environment smaller"
                    .to_owned())
            }
        }
    }
}

/// What is run for an execution.
fn plan(shared: &Shared, request: StartRequest, entry: Entry) -> Result<Plan, String> {
    let mut own: Vec<(&str, OsString)> = vec![
        ("POD_EXECUTION_ID", request.key.execution.to_string().into()),
        ("POD_ATTEMPT", request.key.attempt.to_string().into()),
        ("POD_ACTIVITY", (*request.activity_name).into()),
    ];
    let (program, mut args) = match entry {
        Entry::Program => (c"./main.sh", vec![c"./main.sh".to_owned()]),
        Entry::Shell => (c"/bin/sh", vec![c"sh".to_owned(), c"./main.sh".to_owned()]),
    };
    let mut file = None;
    if let Some(input) = &request.input {
        if input.len() < ARGUMENT_LIMIT {
            let nul = |_| "the input holds a NUL character, which a program's argument cannot".to_owned();
            args.push(CString::new(input.as_bytes()).map_err(nul)?);
        } else {
            let written = InputFile::write(&shared.layout.input(request.key), input)
                .map_err(|error| format!("the input could not be written to the worker's disk: {error}"))?;
            own.push(("POD_INPUT_FILE", written.path.clone().into()));
            file = Some(written);
        }
    }
    Ok(Plan {
        program: program.to_owned(),
        args,
        env: shared.environment.with(&request.env, &own)?,
        dir: shared.layout.activity((request.activity, request.revision)),
        timeout: request.timeout,
        grace: request.grace,
        input: file,
        explain: failure::not_started,
    })
}

fn encode(run: u64, plan: &Plan) -> Result<Vec<u8>, String> {
    let dir = c_path(&plan.dir)?;
    let mut order = Vec::with_capacity(1024);
    Order::Start(Start {
        run,
        timeout_ms: plan.timeout.map(|timeout| timeout.0),
        grace_ms: plan.grace.0,
        program: &plan.program,
        dir: &dir,
        args: plan.args.iter().map(CString::as_c_str).collect::<Vec<&CStr>>(),
        env: plan.env.iter().map(CString::as_c_str).collect(),
    })
    .encode(&mut order);
    if order.len() > ORDER_LIMIT {
        return Err(format!(
            "the input and the environment have {} bytes together and at most {ORDER_LIMIT} are possible; \
             make the activity's environment smaller",
            order.len()
        ));
    }
    Ok(order)
}

/// Why an order was not sent.
enum Refused {
    /// The slot is gone.
    Gone,
    /// The system's sockets do not take so much at once.
    TooLong,
}

impl Active {
    fn send_order(&self) -> Result<(), Refused> {
        let Some(order) = &self.order else { return Ok(()) };
        self.lent.slot.send(order).map_err(|error| match error.raw_os_error() {
            Some(errno) if errno == rustix::io::Errno::MSGSIZE.raw_os_error() => Refused::TooLong,
            _ => Refused::Gone,
        })
    }

    fn ask_to_stop(&mut self, mode: Stop) {
        let mode = match self.stop {
            Some((Stop::Kill, _)) => Stop::Kill,
            _ => mode,
        };
        self.stop = Some((mode, Told::NotYet));
        self.tell_to_stop();
    }

    fn tell_to_stop(&mut self) {
        let Some((mode, told)) = &mut self.stop else { return };
        *told = match self.lent.slot.send_stop(self.run, *mode) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Told::NotYet,
            // A slot that is gone needs not be told; that it is gone shows when its answer is waited for.
            _ => Told::Yes,
        };
    }

    /// Waits for the next packet and adds what it tells. Cancellation safe.
    async fn receive(&mut self, events: &mut VecDeque<RunEvent>) -> Step {
        let untold = matches!(self.stop, Some((_, Told::NotYet)));
        let received = tokio::select! {
            biased;
            received = self.lent.slot.receive() => received,
            () = tokio::time::sleep(TELL_AGAIN), if untold => {
                self.tell_to_stop();
                return Step::GoesOn;
            }
        };
        let Some((run, reports)) = received else { return Step::Gone };
        let (explain, dir) = (self.explain, &self.dir);
        let memory_ended = || self.memory.kills() > self.kills_before;
        let mut step = Step::GoesOn;
        let mut reborn = false;
        for report in reports {
            match report {
                Report::Reborn => reborn = true,
                // Of an earlier run of this slot.
                _ if run != self.run => {}
                Report::Started { at_ms } => {
                    self.order = None;
                    events.push_back(RunEvent::Started { at: Timestamp(at_ms) });
                }
                Report::Output { stream, bytes } => {
                    let stream = match stream {
                        Pipe::Stdout => Stream::Stdout,
                        Pipe::Stderr => Stream::Stderr,
                    };
                    events.push_back(RunEvent::Output { stream, bytes: Bytes::copy_from_slice(bytes) });
                }
                Report::Ended { at_ms, end } => {
                    let end = match attempt_end(end, explain, dir) {
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
        if reborn {
            step = self.survive(run, events);
        }
        step
    }

    /// The process of the slot was killed, and there is a new one. What the old one ran is lost; what it had not taken
    /// on is for the new one, which may or may not have found it waiting: it takes nothing on twice.
    fn survive(&mut self, taken: u64, events: &mut VecDeque<RunEvent>) -> Step {
        if taken >= self.run {
            events.push_back(RunEvent::Ended { end: AttemptEnd::Lost, at: now() });
            return Step::Ended;
        }
        if self.send_order().is_ok() && self.stop.is_some() {
            self.tell_to_stop();
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
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[async_trait]
impl Running for ProcessRun {
    async fn next(&mut self) -> Option<RunEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match &mut self.phase {
                Phase::Over => return None,
                Phase::Lost(gone) => {
                    gone.cancelled().await;
                    self.events.push_back(RunEvent::Ended { end: AttemptEnd::Lost, at: now() });
                    self.phase = Phase::Over;
                }
                Phase::Active(active) => {
                    let step = active.receive(&mut self.events).await;
                    self.take(step);
                }
            }
        }
    }

    fn stop(&mut self, mode: StopMode) {
        if let Phase::Active(active) = &mut self.phase {
            active.ask_to_stop(match mode {
                StopMode::Terminate => Stop::Terminate,
                StopMode::Kill => Stop::Kill,
            });
        }
    }
}

impl ProcessRun {
    fn take(&mut self, step: Step) {
        if matches!(step, Step::GoesOn) {
            return;
        }
        let Phase::Active(active) = mem::replace(&mut self.phase, Phase::Over) else { return };
        match step {
            Step::Gone => self.phase = Phase::Lost(active.lent.abandon()),
            Step::Ended | Step::GoesOn => active.lent.give_back(),
        }
    }
}

impl Drop for ProcessRun {
    fn drop(&mut self) {
        let Phase::Active(mut active) = mem::replace(&mut self.phase, Phase::Over) else { return };
        active.ask_to_stop(Stop::Kill);
        self.runtime.spawn(async move {
            let mut unwanted = VecDeque::new();
            loop {
                match active.receive(&mut unwanted).await {
                    Step::GoesOn => unwanted.clear(),
                    Step::Gone => return,
                    Step::Ended => return active.lent.give_back(),
                }
            }
        });
    }
}

/// The file of an input that is too long for an argument; deleted when dropped.
#[derive(Debug)]
pub(super) struct InputFile {
    path: PathBuf,
}

impl InputFile {
    fn write(path: &Path, input: &str) -> io::Result<Self> {
        let file = Self { path: path.to_owned() };
        fs::write(path, input)?;
        Ok(file)
    }
}

impl Drop for InputFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

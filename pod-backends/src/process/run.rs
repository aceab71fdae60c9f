//! One run of a program: it waits for a slot, has it, and tells what happens there.

use std::{collections::VecDeque, mem};

use async_trait::async_trait;
use pod_core::{
    domain::{AttemptOutcome, Stream},
    executor::{ExecutionHandle, RunEvent, Sink, StartError, StartRequest, StopMode},
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{
    active::{Active, Origin, Step, now},
    installed::Absent,
    plan::Plan,
    pool::{WaitHandle, WaitOutcome},
    shared::Shared,
    spawner_handle::{Pools, Purpose},
    wire::Stop,
};

/// A program that runs, or is about to.
#[derive(Debug)]
pub(super) struct ProcessRun {
    /// What is known and not told yet.
    events: VecDeque<RunEvent>,
    phase: Phase,
    /// What was asked for while it waited.
    stop: Option<Stop>,
    pools: Pools,
    purpose: Purpose,
    /// Where to end a run that nobody wants any more.
    runtime: Handle,
    /// Nobody wants it any more.
    unwanted: bool,
}

#[derive(Debug)]
enum Phase {
    /// Its spawner went before it had begun, and there is no other yet.
    Stranded(Box<(Vec<u8>, Origin)>),
    Waiting(Box<(WaitHandle, Origin)>),
    Active(Box<Active>),
    /// The spawner was killed. Told as a loss when nothing is left of what it ran.
    Lost(CancellationToken),
    Over,
}

impl ProcessRun {
    /// Runs `main.sh` of an installation.
    pub(super) async fn start(shared: &Shared, request: StartRequest) -> Result<Self, StartError> {
        let failed = |message: String| StartError { message };
        let installation = match shared.installed.get((request.activity, request.revision)) {
            Ok(installation) => installation,
            Err(Absent::Damaged) => return Ok(Self::never_begun(shared)),
            Err(Absent::Unknown) => {
                return Err(failed(format!(
                    "revision {} of the activity {} is not installed on this worker",
                    request.revision, request.activity_name
                )));
            }
        };
        let plan = Plan::of(shared, request, installation).map_err(failed)?;
        Self::begin(shared, plan, Purpose::Execution).await.map_err(failed)
    }

    /// Runs anything, once a slot is free; a sentence when that cannot be.
    pub(super) async fn begin(shared: &Shared, plan: Plan, purpose: Purpose) -> Result<Self, String> {
        let order = plan.encode()?;
        let pools = shared.spawner.pools().clone();
        let ticket = pools.get(purpose).await?.queue(order);
        Ok(Self {
            events: VecDeque::with_capacity(4),
            phase: Phase::Waiting(Box::new((ticket, Origin::new(plan, &shared.memory)))),
            stop: None,
            pools,
            purpose,
            runtime: shared.runtime.clone(),
            unwanted: false,
        })
    }

    /// One whose installation was found to be damaged, and is to be made again.
    fn never_begun(shared: &Shared) -> Self {
        let end = RunEvent::Ended { end: AttemptOutcome::Recalled, at: now() };
        Self {
            events: VecDeque::from([RunEvent::InstallationLost, end]),
            phase: Phase::Over,
            stop: None,
            pools: shared.spawner.pools().clone(),
            purpose: Purpose::Execution,
            runtime: shared.runtime.clone(),
            unwanted: false,
        }
    }

    fn end(&mut self, end: AttemptOutcome) {
        self.events.push_back(RunEvent::Ended { end, at: now() });
        self.phase = Phase::Over;
    }

    /// Waits for what happens next, and takes it in. Cancellation safe.
    async fn go_on(&mut self) {
        match &mut self.phase {
            Phase::Stranded(_) => match self.pools.get(self.purpose).await {
                Ok(pool) => {
                    if let Phase::Stranded(stranded) = mem::replace(&mut self.phase, Phase::Over) {
                        let (order, origin) = *stranded;
                        self.phase = Phase::Waiting(Box::new((pool.queue(order), origin)));
                    }
                }
                Err(message) => self.end(AttemptOutcome::StartFailed(message.into())),
            },
            Phase::Waiting(waiting) => {
                let turn = waiting.0.turn().await;
                self.take_turn(turn);
            }
            Phase::Active(active) => {
                let step = active.receive(&mut self.events).await;
                if matches!(step, Step::GoesOn) {
                    return;
                }
                let Phase::Active(active) = mem::replace(&mut self.phase, Phase::Over) else { return };
                let lent = active.into_lent();
                match step {
                    Step::Gone => self.phase = Phase::Lost(lent.abandon()),
                    Step::Ended | Step::GoesOn => lent.give_back(),
                }
            }
            Phase::Lost(gone) => {
                gone.cancelled().await;
                self.end(AttemptOutcome::Lost);
            }
            Phase::Over => {}
        }
    }

    fn take_turn(&mut self, turn: WaitOutcome) {
        let Phase::Waiting(waiting) = mem::replace(&mut self.phase, Phase::Over) else { return };
        let (_, origin) = *waiting;
        match turn {
            WaitOutcome::Slot(lent) => {
                let mut active = Box::new(Active::new(lent, origin));
                if let Some(mode) = self.stop {
                    active.ask_to_stop(mode);
                }
                self.phase = Phase::Active(active);
            }
            WaitOutcome::CrewGone(order) if self.stop.is_none() => {
                self.phase = Phase::Stranded(Box::new((order, origin)))
            }
            WaitOutcome::CrewGone(_) => self.end(AttemptOutcome::Terminated),
            WaitOutcome::Over(end) => self.end(end),
            WaitOutcome::TooLong => self.end(AttemptOutcome::StartFailed(
                "the input and the environment are longer than this system lets one hand on; \
                 make the activity's environment smaller"
                    .into(),
            )),
        }
    }

    fn ask_to_stop(&mut self, mode: Stop) {
        if self.stop != Some(Stop::Kill) {
            self.stop = Some(mode);
        }
        match &mut self.phase {
            Phase::Stranded(_) => self.end(AttemptOutcome::Terminated),
            Phase::Waiting(waiting) => waiting.0.withdraw(AttemptOutcome::Terminated),
            Phase::Active(active) => active.ask_to_stop(mode),
            Phase::Lost(_) | Phase::Over => {}
        }
    }
}

#[async_trait]
impl ExecutionHandle for ProcessRun {
    async fn next(&mut self) -> Option<RunEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if matches!(self.phase, Phase::Over) {
                return None;
            }
            self.go_on().await;
        }
    }

    fn stop(&mut self, mode: StopMode) {
        self.ask_to_stop(match mode {
            StopMode::Terminate => Stop::Terminate,
            StopMode::Kill => Stop::Kill,
        });
    }

    fn write_to(&mut self, stream: Stream, sink: &Sink) {
        if let Phase::Active(active) = &mut self.phase {
            active.write_to(stream, sink);
        }
    }

    fn recall(&mut self) {
        match &mut self.phase {
            Phase::Stranded(_) => self.end(AttemptOutcome::Recalled),
            Phase::Waiting(waiting) if self.stop.is_none() => waiting.0.withdraw(AttemptOutcome::Recalled),
            Phase::Waiting(_) | Phase::Active(_) | Phase::Lost(_) | Phase::Over => {}
        }
    }
}

impl Drop for ProcessRun {
    fn drop(&mut self) {
        if self.unwanted || !matches!(self.phase, Phase::Waiting(_) | Phase::Active(_)) {
            return;
        }
        let mut rest = Self {
            events: VecDeque::new(),
            phase: mem::replace(&mut self.phase, Phase::Over),
            stop: self.stop,
            pools: self.pools.clone(),
            purpose: self.purpose,
            runtime: self.runtime.clone(),
            unwanted: true,
        };
        rest.ask_to_stop(Stop::Kill);
        self.runtime.spawn(async move { while rest.next().await.is_some() {} });
    }
}

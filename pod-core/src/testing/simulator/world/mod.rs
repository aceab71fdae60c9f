//! The world of a run: virtual time, links that break, a manager that crashes, a fleet that comes and goes.
//!
//! | file | what it does |
//! |---|---|
//! | `load` | what users ask for |
//! | `effects` | what the manager does to the world |
//! | `links` | the manager's side of links: outboxes, output into the store, acknowledgements |
//! | `fleet` | machines come, live and go |
//! | `faults`, `clocks` | what goes wrong, and what the time is |
//! | `output`, `counts` | what is stored against what was printed, and what was counted against the rows |

mod clocks;
mod counts;
mod effects;
mod faults;
mod fleet;
mod links;
mod load;
mod output;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use futures::FutureExt;
use uuid::Uuid;

use super::{
    ends::Ends,
    history::History,
    invariants::{self, Checker, Violation},
    ledger::Ledger,
    luck::Luck,
    machine::Machine,
    network::{LinkId, Network, Way, over_the_wire},
    options::{Mutant, Options},
    random::Random,
    report::Report,
};
use crate::{
    api::Limits,
    domain::{Age, ExecutionId, Millis, OnLost, StoreId, WorkerId},
    link::{FromWorker, ToWorker},
    plan::{Config, Decision, Effect, Input, Refill, State, Window},
    scheduler::DefaultScheduler,
    store::{MemoryStore, Store},
};

const MAX_WORKERS: u32 = 3;
/// Everything must have ended so long after the last fault.
const PATIENCE: i64 = 4 * 3600 * 1000;
/// Workers must hold nothing so long after everything has ended: longer than an installation that hangs, and than a
/// worker looks for a manager.
const SETTLED_WITHIN: i64 = 20 * 60 * 1000;

enum Happening {
    Manager(Input),
    Up(LinkId, Vec<FromWorker>),
    Down(LinkId, Vec<ToWorker>),
    /// A link takes the next frame of its worker.
    Written(LinkId),
    /// The end of a link arrives.
    LinkEnded(LinkId, Way),
    /// What arrived of output on a link is made durable.
    Sync(LinkId),
    LookForRoom(LinkId),
    Boot(WorkerId),
    Client(u32),
    /// Whoever started a program that does not end by itself ends it.
    EndServer(ExecutionId),
    Mischief,
    ClockSet,
    ManagerBack,
}

pub(super) struct World {
    seed: u64,
    options: Options,
    now: i64,
    /// How far the system's clock is ahead of it.
    ahead: i64,
    /// How much of it POD has not lived through.
    uncounted: i64,
    order: u64,
    calendar: BTreeMap<(i64, u64), Happening>,
    store: MemoryStore,
    state: Option<State>,
    machines: BTreeMap<WorkerId, Machine>,
    network: Network,
    ends: Ends,
    ledger: Ledger,
    luck: Luck,
    faults: Random,
    clocks: Random,
    checker: Checker,
    history: History,
    report: Report,
    incarnations: u64,
    /// The store takes no new executions until then, and of the rest not everything.
    full_until: i64,
}

type Step<T = ()> = Result<T, String>;

impl World {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let luck = Luck::of(seed, options.worker_faults);
        Self {
            seed,
            options,
            now: 1_000_000,
            ahead: 0,
            uncounted: 0,
            order: 0,
            calendar: BTreeMap::new(),
            store: MemoryStore::with_id(StoreId(Uuid::from_u128(u128::from(seed) + 1))),
            state: None,
            machines: BTreeMap::new(),
            network: Network::default(),
            ends: Ends::default(),
            ledger: Ledger::default(),
            luck,
            faults: Random::of(seed, 1),
            clocks: Random::of(seed, 4),
            checker: Checker::default(),
            history: History::default(),
            report: Report::default(),
            incarnations: 0,
            full_until: 0,
        }
    }

    pub(super) fn run(mut self) -> Result<Report, Box<Violation>> {
        // What panics is a defect too, and its seed is to be known.
        let result = panic::catch_unwind(AssertUnwindSafe(|| self.live()));
        let sentence = match result {
            Ok(Ok(())) => return Ok(self.report),
            Ok(Err(sentence)) => sentence,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let said = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("nothing");
                format!("something panicked, and said {said:?}")
            }
        };
        Err(Box::new(Violation { sentence, seed: self.seed, history: self.history.to_string() }))
    }

    fn live(&mut self) -> Step {
        let begin = self.now;
        self.at(0, Happening::ManagerBack);
        let mut load = Random::of(self.seed, 3);
        for number in 0..self.options.executions + 3 {
            let when = if number < 3 { 10 } else { load.between(20, self.options.faults_until.unsigned_abs()) };
            self.at(when.cast_signed(), Happening::Client(number));
        }
        self.at(500, Happening::Mischief);
        self.at(700, Happening::ClockSet);
        let (quiet_from, limit) = (begin + self.options.faults_until, begin + self.options.faults_until + PATIENCE);
        let (mut next_tick, mut over) = (self.now, None);
        loop {
            let due = self.calendar.first_key_value().map(|((at, _), _)| *at);
            let machines = self.next_of_machines();
            let next = due.into_iter().chain(machines).chain([next_tick]).min().unwrap_or(next_tick);
            self.now = next.max(self.now);
            self.luck.quiet = self.quiet();
            if self.now >= next_tick {
                next_tick = self.now + 500;
                self.look_for_room();
                self.manager(vec![Input::Tick])?;
            }
            if let Some(entry) = self.calendar.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let happening = entry.remove();
                self.happen(happening)?;
            }
            self.pass_time()?;
            self.check_output()?;
            self.report.steps += 1;
            (self.report.acknowledged, self.report.concluded) = self.checker.progress();
            let is_over = self.now > quiet_from && self.state.is_some() && self.checker.unfinished().is_empty();
            if !is_over && self.now > limit {
                return Err(format!("executions {:?} never ended", self.checker.unfinished()));
            }
            if !is_over {
                over = None;
            } else if over.is_none() {
                self.report.virtual_time = self.now - begin;
                over = Some(self.now);
                self.recount()?;
            }
            match (over, self.first_busy()) {
                (Some(_), None) => break,
                (Some(since), Some(busy)) if self.now > since + SETTLED_WITHIN => {
                    return Err(format!("everything has ended, and {busy}"));
                }
                _ => {}
            }
        }
        (self.report.output, self.report.install_timeouts) = (self.ledger.bytes, self.luck.hangs);
        Ok(())
    }

    fn at(&mut self, delay: i64, happening: Happening) {
        self.order += 1;
        self.calendar.insert((self.now + delay, self.order), happening);
    }

    fn note(&mut self, what: &dyn Debug) {
        self.history.note(self.now, what);
    }

    fn quiet(&self) -> bool {
        self.now > 1_000_000 + self.options.faults_until
    }

    fn fault(&mut self, per_mille: u64) -> bool {
        !self.quiet() && self.faults.per_mille(per_mille)
    }

    fn happen(&mut self, happening: Happening) -> Step {
        match happening {
            Happening::Manager(input) => self.manager(vec![input]),
            Happening::Up(link, frame) => self.hear(link, frame),
            Happening::Down(link, frame) => self.deliver(link, frame),
            Happening::Written(link) => {
                if let Some(machine) = self.machine_of(link) {
                    machine.written(link);
                }
                Ok(())
            }
            Happening::LinkEnded(link, way) => self.link_ended(link, way),
            Happening::Sync(link) => self.sync(link),
            Happening::LookForRoom(link) => self.ask_for_room(link),
            Happening::Boot(worker) => {
                self.boot(worker);
                Ok(())
            }
            Happening::EndServer(id) => self.end_server(id),
            Happening::Client(number) => self.client(number),
            Happening::Mischief => self.mischief(),
            Happening::ClockSet => {
                self.set_clock();
                Ok(())
            }
            Happening::ManagerBack => self.restart_manager(),
        }
    }

    fn machine_of(&mut self, link: LinkId) -> Option<&mut Machine> {
        self.machines.get_mut(&self.network.worker(link)?)
    }

    /// A frame arrives at a worker.
    fn deliver(&mut self, link: LinkId, frame: Vec<ToWorker>) -> Step {
        if !self.network.carries(link, Way::Down) {
            return Ok(());
        }
        let frame = over_the_wire(frame, &mut self.luck)?;
        self.note(&("down", link, &frame));
        self.report.frames += 1;
        if let Some(machine) = self.machine_of(link) {
            machine.hear(link, frame);
        }
        Ok(())
    }

    fn restart_manager(&mut self) -> Step {
        self.note(&"the manager starts");
        self.load(true)?;
        self.manager(vec![Input::Started])
    }

    /// The manager takes the lease and reads what the store holds.
    fn load(&mut self, taken_over: bool) -> Step {
        let lease = now_or_never(self.store.acquire(self.clock().wall)).map_err(|error| error.to_string())?;
        let mut snapshot = now_or_never(self.store.load()).map_err(|error| error.to_string())?;
        snapshot.clock = self.go_on(snapshot.clock, taken_over);
        let config = Config {
            store: self.store.id(),
            epoch: lease.epoch,
            limits: Limits {
                slots: 2,
                retry_backoff: invariants::RETRY_BACKOFF,
                retention: invariants::RETENTION,
                output_cap: self.luck.output_cap,
                ..Limits::default()
            },
            launch_timeout: Millis::from_secs(60),
            capabilities: crate::provisioner::Capabilities::default(),
            scheduler: Arc::new(DefaultScheduler),
            // Small, so that most of a queue is in the store alone.
            window: Window { least: 2, per_slot: 1 },
        };
        self.state = Some(State::load(config, snapshot, self.clock()));
        Ok(())
    }

    /// One round of the manager, with everything that can go wrong around its commit.
    fn manager(&mut self, mut inputs: Vec<Input>) -> Step {
        loop {
            let now = self.clock();
            let Some(state) = &mut self.state else { return Ok(()) };
            let mut out = Decision::default();
            for input in inputs.drain(..) {
                state.step(input, now, &mut out);
            }
            state.plan(now, &mut out);
            let batch = state.batch(&mut out).map(Arc::new);
            let effects = std::mem::take(&mut out.effects);
            if self.options.mutant == Some(Mutant::ActBeforeCommit) {
                self.perform(effects.clone())?;
            }
            if let Some(mut batch) = batch {
                if self.fault(4) {
                    self.crash_manager(); // before the commit
                    return Ok(());
                }
                if self.options.mutant == Some(Mutant::ForgetEnds) {
                    let changes = &mut Arc::make_mut(&mut batch).changes;
                    changes.retain(|change| !matches!(change, crate::store::Change::EndAttempt { .. }));
                }
                if let Some(error) = self.refusal(&batch) {
                    return self.start_over(&error);
                }
                self.checker.batch(&batch, self.now)?;
                let repeated = self.fault(10); // applied, its answer lost, sent again
                for _ in 0..=u8::from(repeated) {
                    now_or_never(self.store.commit(batch.clone())).map_err(|error| format!("commit: {error}"))?;
                }
                if self.fault(4) {
                    self.crash_manager(); // between commit and effect
                    return Ok(());
                }
            }
            let expire = effects.iter().find_map(|effect| match effect {
                Effect::Expire(before) => Some(*before),
                _ => None,
            });
            self.perform(effects)?;
            let Some(state) = &self.state else { return Ok(()) };
            self.checker.state(state, MAX_WORKERS)?;
            self.checker.delays(state, self.now, self.uncounted)?;
            for Refill { activity, revision, after, limit } in state.refills() {
                let claimed = now_or_never(self.store.claim(activity, revision, after, Age::MAX, limit));
                inputs.push(Input::Claimed(activity, revision, claimed.map_err(|error| error.to_string())?));
            }
            if let Some(before) = expire {
                let input = self.expire(before)?;
                if let Input::Expired(expired) = &input {
                    self.report.deleted += expired.len() as u64;
                }
                inputs.extend((input != Input::Expired(Vec::new())).then_some(input));
            }
            if inputs.is_empty() {
                return Ok(());
            }
        }
    }
}

/// The in-memory store answers at once.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap_or_else(|| unreachable!("the in-memory store never waits"))
}

/// What becomes of executions of that activity whose worker is lost.
fn on_lost(activity: &str) -> OnLost {
    if activity == "activity-2" { OnLost::Fail } else { OnLost::Requeue }
}

//! The world of a run: virtual time, links that break, a manager that crashes, a fleet that comes and goes.
//!
//! | file | what it does |
//! |---|---|
//! | `load` | what users ask for |
//! | `process` | the process of the manager: the real one, and a model of the task around it |
//! | `store` | the store of the manager, which answers late, fails and refuses |
//! | `links` | the manager's side of links: outboxes, output into the store, acknowledgements |
//! | `fleet` | machines come, live and go |
//! | `lease` | who holds the store |
//! | `restored` | an older copy of the store takes its place |
//! | `faults`, `clocks` | what goes wrong, and what the time is |
//! | `output`, `counts` | what is stored against what was printed, and what was counted against the rows |

mod clocks;
mod counts;
mod faults;
mod fleet;
mod lease;
mod links;
mod load;
mod output;
mod process;
mod restored;
mod store;

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
    invariants::{Checker, Violation},
    ledger::Ledger,
    luck::Luck,
    machine::Machine,
    manager_process::{Call, ManagerProcess, News},
    network::{LinkId, Network, Way, over_the_wire},
    options::{Mode, Options},
    random::Random,
    report::Report,
    requests::{Requests, Wanted},
    restorations::Restorations,
};
use crate::{
    domain::{Epoch, ExecutionId, OnLost, StoreId, WorkerId},
    link::{FromWorker, ToWorker},
    manager::Input,
    store::{Batch, MemoryStore, StoreError},
};

const MAX_WORKERS: u32 = 3;
/// Everything must have ended so long after the last fault.
const SETTLE_TIMEOUT: i64 = 4 * 3600 * 1000;
/// Workers must hold nothing so long after everything has ended: longer than an installation that hangs, and than a
/// worker looks for a manager.
const SETTLED_WITHIN: i64 = 20 * 60 * 1000;

enum SimEvent {
    /// News reaches the manager, whichever runs.
    News(News),
    /// The store or the provisioner answers the manager of that number.
    Answered(u64, Input),
    /// The provisioner is done with what the manager of that number asked it.
    Provisioned(u64, WorkerId, Call),
    /// A batch is written long after its manager was told so.
    LateCommit(u64, Arc<Batch>),
    /// The store has renewed the lease of the manager of that number, or not.
    Renewed(u64, Epoch, Result<(), StoreError>),
    /// Another manager looks whether the store is to be had.
    Rival,
    /// It gives the store back.
    RivalEnds(u32, Epoch),
    /// A manager that got no processor goes on.
    Resumed,
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
    Operator,
    /// Somebody asks again.
    Ask(Box<Wanted>),
    /// Whoever started a program that does not end by itself ends it.
    EndServer(ExecutionId),
    Mischief,
    ClockSet,
    ManagerBack,
    /// An operator makes a copy of the store.
    Copy,
    /// And puts it into its place.
    Restore,
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
    calendar: BTreeMap<(i64, u64), SimEvent>,
    store: MemoryStore,
    process: Option<ManagerProcess>,
    managers: u64,
    /// The batch that the store took last.
    applied: Option<(Epoch, u64)>,
    /// The batch that was decided last, and when: it may be written later.
    decided: (Option<(Epoch, u64)>, i64),
    machines: BTreeMap<WorkerId, Machine>,
    network: Network,
    ends: Ends,
    ledger: Ledger,
    luck: Luck,
    faults: Random,
    clocks: Random,
    users: Random,
    checker: Checker,
    history: History,
    report: Report,
    incarnations: u64,
    /// The store takes no new executions until then, and of the rest not everything.
    full_until: i64,
    /// The store answers nobody until then.
    away_until: i64,
    /// What users wait for.
    requests: Requests,
    restorations: Restorations,
}

type Step<T = ()> = Result<T, String>;

impl World {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let (luck, history) = (Luck::of(seed, &options), History::new(options.history));
        Self {
            seed,
            options,
            now: 1_000_000,
            ahead: 0,
            uncounted: 0,
            order: 0,
            calendar: BTreeMap::new(),
            store: MemoryStore::with_id(StoreId(Uuid::from_u128(u128::from(seed) + 1))),
            process: None,
            managers: 0,
            applied: None,
            decided: (None, 0),
            machines: BTreeMap::new(),
            network: Network::default(),
            ends: Ends::default(),
            ledger: Ledger::default(),
            luck,
            faults: Random::of(seed, 1),
            clocks: Random::of(seed, 4),
            users: Random::of(seed, 11),
            checker: Checker::default(),
            history,
            report: Report::default(),
            incarnations: 0,
            full_until: 0,
            away_until: 0,
            requests: Requests::default(),
            restorations: Restorations::of(seed),
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
        self.checker.clock_set(begin, 0);
        self.at(0, SimEvent::ManagerBack);
        self.schedule_load();
        self.schedule_restoration();
        self.at(500, SimEvent::Mischief);
        self.at(700, SimEvent::ClockSet);
        let (quiet_from, limit) =
            (begin + self.options.faults_until, begin + self.options.faults_until + SETTLE_TIMEOUT);
        let mut over = None;
        loop {
            let due = self.calendar.first_key_value().map(|((at, _), _)| *at);
            let machines = self.next_of_machines();
            let manager = self.next_of_manager();
            // Without a manager there is at least the moment at which the next one starts.
            let next = due.into_iter().chain(machines).chain(manager).min().unwrap_or(self.now + 500);
            self.now = next.max(self.now);
            self.luck.quiet = self.quiet();
            if manager.is_some_and(|at| self.now >= at) {
                self.tick_manager()?;
            }
            if let Some(entry) = self.calendar.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let happening = entry.remove();
                self.happen(happening)?;
            }
            self.pass_time()?;
            self.check_output()?;
            self.report.steps += 1;
            (self.report.acknowledged, self.report.concluded) = self.checker.progress();
            let is_over = self.now > quiet_from && self.is_manager_at_rest() && self.checker.unfinished().is_empty();
            if self.options.mode == Mode::Safety && self.now > quiet_from {
                self.report.virtual_time = self.now - begin;
                break;
            }
            if !is_over && self.now > limit {
                return Err(match self.checker.unfinished() {
                    none if none.is_empty() => "everything has ended, and the manager never comes to rest".to_owned(),
                    some => format!("executions {some:?} never ended"),
                });
            }
            if !is_over {
                over = None;
            } else if over.is_none() {
                self.report.virtual_time = self.now - begin;
                over = Some(self.now);
                self.recount()?;
            }
            if let Some(since) = over {
                if !self.is_busy() {
                    break;
                }
                if self.now > since + SETTLED_WITHIN {
                    return Err(format!("everything has ended, and {}", self.first_busy()));
                }
            }
        }
        (self.report.output, self.report.install_timeouts) = (self.ledger.bytes, self.luck.hangs);
        Ok(())
    }

    fn at(&mut self, delay: i64, happening: SimEvent) {
        self.order += 1;
        self.calendar.insert((self.now + delay, self.order), happening);
    }

    fn note(&mut self, what: &dyn Debug) {
        self.history.note(self.now, what);
    }

    fn quiet(&self) -> bool {
        self.options.mode == Mode::Liveness && self.now > 1_000_000 + self.options.faults_until
    }

    fn fault(&mut self, per_mille: u64) -> bool {
        !self.quiet() && self.faults.per_mille(per_mille)
    }

    fn happen(&mut self, happening: SimEvent) -> Step {
        match happening {
            SimEvent::News(news) => self.tell(news),
            SimEvent::Answered(number, input) => self.answer(number, input),
            SimEvent::Provisioned(number, worker, call) => self.provisioned(number, worker, call),
            SimEvent::LateCommit(number, batch) => {
                if self.process.as_ref().is_some_and(|process| process.number == number) {
                    let _ = self.apply(&batch)?;
                }
                Ok(())
            }
            SimEvent::Renewed(number, epoch, outcome) => self.renewed(number, epoch, outcome),
            SimEvent::Rival => self.rival_looks(),
            SimEvent::RivalEnds(history, epoch) => {
                // One that held what was there before a restoration writes to that.
                if history == self.ledger.history {
                    self.release(epoch);
                }
                Ok(())
            }
            SimEvent::Resumed => self.run_manager(),
            SimEvent::Up(link, frame) => self.hear(link, frame),
            SimEvent::Down(link, frame) => self.deliver(link, frame),
            SimEvent::Written(link) => {
                if let Some(machine) = self.machine_of(link) {
                    machine.written(link);
                }
                Ok(())
            }
            SimEvent::LinkEnded(link, way) => self.link_ended(link, way),
            SimEvent::Sync(link) => self.sync(link),
            SimEvent::LookForRoom(link) => self.ask_for_room(link),
            SimEvent::Boot(worker) => {
                self.boot(worker);
                Ok(())
            }
            SimEvent::EndServer(id) => self.end_server(id),
            SimEvent::Client(number) => self.client(number),
            SimEvent::Operator => self.operator(),
            SimEvent::Ask(wanted) => self.ask(*wanted),
            SimEvent::Mischief => self.mischief(),
            SimEvent::ClockSet => {
                self.set_clock();
                Ok(())
            }
            SimEvent::ManagerBack => self.start_manager(),
            SimEvent::Copy => {
                self.copy_store();
                Ok(())
            }
            SimEvent::Restore => self.restore_store(),
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
}

/// The in-memory store answers at once.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap_or_else(|| unreachable!("the in-memory store never waits"))
}

/// What becomes of executions of that activity whose worker is lost.
fn on_lost(activity: &str) -> OnLost {
    if activity == "activity-2" { OnLost::Fail } else { OnLost::Requeue }
}

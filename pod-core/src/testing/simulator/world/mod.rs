//! The world of a run: virtual time, links that break, a manager that crashes, a fleet that comes and goes.

mod clocks;
mod counts;
mod effects;
mod faults;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    sync::Arc,
};

use futures::FutureExt;
use uuid::Uuid;

use super::{
    invariants::{self, Checker, Violation},
    options::{Mutant, Options},
    random::Random,
    worker::{Fate, SimWorker},
};
use crate::{
    api::{Hurry, Limits, Registration, Request},
    domain::{
        Age, AttemptEnd, AttemptKey, ExecutionId, Millis, NewActivity, NewExecution, OnLost, RevisionNo, SessionId,
        Settings, StoreId, Timestamp, WorkerId,
    },
    link::{FromWorker, ToWorker},
    plan::{Config, Decision, Effect, Found, Input, Refill, ReplyId, State, Window},
    scheduler::DefaultScheduler,
    store::{MemoryStore, Store},
};

/// What a run amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Executions that were acknowledged.
    pub acknowledged: u64,
    /// Executions that concluded.
    pub concluded: u64,
    /// How often the manager crashed.
    pub crashes: u64,
    /// How many batches the store refused.
    pub refusals: u64,
    /// How many workers died.
    pub deaths: u64,
    /// How often somebody set the clock.
    pub clock_changes: u64,
    /// How many executions the retention deleted.
    pub deleted: u64,
    /// How many steps were made.
    pub steps: u64,
    /// How long it took, in virtual milliseconds.
    pub virtual_time: i64,
}

const MAX_WORKERS: u32 = 3;
/// Everything must have ended so long after the last fault.
const PATIENCE: i64 = 4 * 3600 * 1000;

enum Happening {
    Manager(Input),
    Up(SessionId, WorkerId, FromWorker),
    Down(SessionId, WorkerId, ToWorker),
    Dial(WorkerId),
    Client(u32),
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
    workers: BTreeMap<WorkerId, SimWorker>,
    /// Links that are whole, with when their last message arrives: order is kept per link.
    links: BTreeMap<SessionId, (WorkerId, i64)>,
    faults: Random,
    clocks: Random,
    fate: Programs,
    checker: Checker,
    history: VecDeque<String>,
    report: Report,
    incarnations: u64,
    /// The store takes no new executions until then, and of the rest not everything.
    full_until: i64,
}

struct Programs(Random);

impl Fate for Programs {
    fn run_time(&mut self, _key: AttemptKey) -> u64 {
        if self.0.per_mille(100) { self.0.between(1000, 60_000) } else { self.0.between(1, 2000) }
    }
    fn end(&mut self, _key: AttemptKey) -> AttemptEnd {
        if self.0.per_mille(150) { AttemptEnd::Exited(1) } else { AttemptEnd::Exited(0) }
    }
    fn install_time(&mut self) -> u64 {
        self.0.between(10, 3000)
    }
    fn install_fails(&mut self) -> bool {
        self.0.per_mille(30)
    }
}

type Step<T = ()> = Result<T, String>;

impl World {
    pub(super) fn new(seed: u64, options: Options) -> Self {
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
            workers: BTreeMap::new(),
            links: BTreeMap::new(),
            faults: Random::of(seed, 1),
            clocks: Random::of(seed, 4),
            fate: Programs(Random::of(seed, 2)),
            checker: Checker::default(),
            history: VecDeque::new(),
            report: Report::default(),
            incarnations: 0,
            full_until: 0,
        }
    }

    pub(super) fn run(mut self) -> Result<Report, Box<Violation>> {
        let (seed, result) = (self.seed, self.live());
        match result {
            Ok(()) => Ok(self.report),
            Err(sentence) => {
                let history = self.history.into_iter().collect::<Vec<_>>().join("\n");
                Err(Box::new(Violation { sentence, seed, history }))
            }
        }
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
        let mut next_tick = self.now;
        loop {
            let due = self.calendar.first_key_value().map(|((at, _), _)| *at);
            let programs = self.workers.values().filter_map(SimWorker::next_change).min().map(|at| at.0);
            let next = due.into_iter().chain(programs).chain([next_tick]).min().unwrap_or(next_tick);
            self.now = next.max(self.now);
            if self.now >= next_tick {
                next_tick = self.now + 500;
                self.heartbeats();
                self.look_for_room();
                self.manager(vec![Input::Tick])?;
            }
            if let Some(entry) = self.calendar.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let happening = entry.remove();
                self.happen(happening)?;
            }
            self.pass_time()?;
            self.report.steps += 1;
            self.report.virtual_time = self.now - begin;
            (self.report.acknowledged, self.report.concluded) = self.checker.progress();
            let done = self.now > quiet_from && self.state.is_some() && self.checker.unfinished().is_empty();
            if done {
                return self.recount();
            }
            if self.now > limit {
                return Err(format!("executions {:?} never ended", self.checker.unfinished()));
            }
        }
    }

    fn at(&mut self, delay: i64, happening: Happening) {
        self.order += 1;
        self.calendar.insert((self.now + delay, self.order), happening);
    }

    fn note(&mut self, what: &dyn Debug) {
        if self.history.len() >= 60 {
            self.history.pop_front();
        }
        let mut line = format!("{:>9} {what:?}", self.now);
        line.truncate(400);
        self.history.push_back(line);
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
            Happening::Up(session, worker, message) => {
                if !self.links.contains_key(&session) && self.options.mutant != Some(Mutant::SkipTheFence) {
                    return Ok(());
                }
                self.note(&("up", worker, &message));
                self.manager(vec![Input::Said { worker, session, message }])
            }
            Happening::Down(session, worker, message) => {
                if self.links.contains_key(&session) {
                    self.deliver(session, worker, message)
                } else {
                    Ok(())
                }
            }
            Happening::Dial(worker) => self.dial(worker),
            Happening::Client(number) => self.client(number),
            Happening::Mischief => self.mischief(),
            Happening::ClockSet => {
                self.set_clock();
                Ok(())
            }
            Happening::ManagerBack => self.restart_manager(),
        }
    }

    fn restart_manager(&mut self) -> Step {
        self.note(&"the manager starts");
        self.load(true)?;
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            self.at(20, Happening::Dial(id));
        }
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

    fn newest_revision(&self, name: &str) -> Option<RevisionNo> {
        let state = self.state.as_ref()?;
        let activity = &state.activities[&state.activity_named(name)?];
        activity.all_revisions().last().map(|revision| revision.no)
    }

    fn client(&mut self, number: u32) -> Step {
        if self.state.is_none() {
            self.at(1000, Happening::Client(number));
            return Ok(());
        }
        let mut sha256 = 0;
        let request = if number < 3 {
            let name = format!("activity-{number}");
            let settings = Settings {
                retries: number,
                on_lost: on_lost(&name),
                max_concurrency: (number == 1).then_some(2),
                ..Settings::default()
            };
            let new = NewActivity::script(name, "echo > main.sh").settings(settings);
            let put = if number == 0 { Registration::Run } else { Registration::Put };
            Request::CreateActivity { new, registration: put }
        } else if self.faults.per_mille(60) {
            // Somebody edits a program and runs it, or puts another one into its place, while executions wait.
            sha256 = self.faults.between(1, 6);
            let name = format!("activity-{}", self.faults.between(0, 3));
            let settings = Settings { on_lost: on_lost(&name), ..Settings::default() };
            let new = NewActivity::script(name, format!("echo {sha256} > main.sh")).settings(settings);
            let registration = if self.faults.per_mille(500) { Registration::Run } else { Registration::Put };
            Request::CreateActivity { new, registration }
        } else if self.faults.per_mille(100) {
            Request::Terminate(ExecutionId(self.faults.between(1, u64::from(number))), Hurry::Grace)
        } else {
            let name = format!("activity-{}", self.faults.between(0, 3));
            let newest = self.newest_revision(&name);
            let mut new = NewExecution::of(&name).input(number.to_string());
            if let Some(newest) = newest.filter(|_| self.faults.per_mille(300)) {
                new = new
                    .revision(RevisionNo(u32::try_from(self.faults.between(1, u64::from(newest.0) + 1)).unwrap_or(1)));
            }
            Request::Submit(new)
        };
        let mut found = Found { sha256: Some(format!("{sha256:064}")), ..Found::default() };
        if let Request::Terminate(id, _) = request {
            found.execution = now_or_never(self.store.execution(id)).map_err(|error| error.to_string())?;
        }
        self.note(&("client", &request));
        self.manager(vec![Input::Request { request, reply: ReplyId(u64::from(number)), found: Box::new(found) }])?;
        // Whoever registers an activity asks again where that was refused.
        let is_missing = |state: &State| state.activity_named(&format!("activity-{number}")).is_none();
        if number < 3 && self.state.as_ref().is_none_or(is_missing) {
            self.at(1000, Happening::Client(number));
        }
        Ok(())
    }

    fn dial(&mut self, id: WorkerId) -> Step {
        let Some(worker) = self.workers.get(&id) else { return Ok(()) };
        let mut hello = worker.hello();
        if self.options.mutant == Some(Mutant::TrustEveryHello) {
            hello.attempts.clear();
        }
        let Some(state) = &mut self.state else { return Ok(()) };
        let session = state.next_session();
        self.links.retain(|_, (worker, _)| *worker != id);
        self.links.insert(session, (id, self.now));
        self.note(&("hello", id, session));
        self.manager(vec![Input::Hello { hello: Box::new(hello), session, anyone: false }])
    }

    fn deliver(&mut self, session: SessionId, id: WorkerId, message: ToWorker) -> Step {
        self.note(&("down", id, &message));
        let Some(worker) = self.workers.get_mut(&id) else { return Ok(()) };
        let mut said = Vec::new();
        if !worker.take(message, Timestamp(self.now), &mut self.fate, &mut said) {
            self.note(&("worker ends", id));
            self.workers.remove(&id);
            self.links.remove(&session);
        }
        self.send_up(id, said);
        Ok(())
    }

    fn send_up(&mut self, id: WorkerId, said: Vec<FromWorker>) {
        let Some(session) = self.workers.get(&id).and_then(|worker| worker.session) else { return };
        for message in said {
            let twice = self.fault(30);
            if let Some(at) = self.arrival(session) {
                if twice {
                    self.at(at, Happening::Up(session, id, message.clone()));
                }
                self.at(at, Happening::Up(session, id, message));
            }
        }
    }

    /// When the next message of a link arrives: never before the one ahead of it.
    fn arrival(&mut self, session: SessionId) -> Option<i64> {
        let delay = self.faults.between(0, 20).cast_signed();
        let (_, last) = self.links.get_mut(&session)?;
        *last = (*last).max(self.now + delay);
        Some(*last - self.now)
    }

    fn pass_time(&mut self) -> Step {
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            let mut said = Vec::new();
            let Some(worker) = self.workers.get_mut(&id) else { continue };
            worker.pass(Timestamp(self.now), &mut self.fate, &mut said);
            let started = std::mem::take(&mut worker.starts);
            for (execution, activity) in started {
                // By name: a creation that was refused leaves the ids in another order.
                let on_lost = on_lost(&activity);
                // What failed by itself is tried again by right.
                let retried = self.retries_of(execution)?;
                if !retried {
                    self.checker.program(execution, on_lost, !self.options.worker_faults)?;
                }
            }
            self.send_up(id, said);
        }
        Ok(())
    }

    fn retries_of(&self, id: ExecutionId) -> Step<bool> {
        let execution = now_or_never(self.store.execution(id)).map_err(|error| error.to_string())?;
        Ok(execution.is_some_and(|execution| execution.failures > 0))
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

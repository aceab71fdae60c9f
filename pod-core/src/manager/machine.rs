//! The manager: its inputs, its actions, its deadline.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    action::{Action, Query},
    calls::{Ask, Calls},
    input::{Input, Loaded},
    links::Links,
    notice::Notice,
    phase::Phase,
    renewal::Renewal,
    round::Round,
    work::{Waiting, Work},
};
use crate::{
    domain::{Age, AttemptKey, Boot, Millis, Now, SessionId, WorkerId},
    plan::{self, Config, SlipKind, State},
};

/// It looks at the clock at least so often.
const TICK: Millis = Millis(500);

/// What does not change while a manager runs.
#[derive(Clone, Debug)]
pub struct ManagerConfig {
    /// What the planner goes by. Its epoch is that of the lease that was taken last.
    pub plan: Config,
    /// Whether workers go on when the manager's process ends.
    pub workers_stay: bool,
}

/// A manager that holds the lease of its store.
#[derive(Debug)]
pub struct Manager {
    pub(super) config: ManagerConfig,
    pub(super) boot: Option<Boot>,
    /// As of the last input.
    pub(super) now: Now,
    pub(super) state: State,
    pub(super) round: Round,
    /// When the last round ended, with all that followed from it.
    pub(super) last_round: Age,
    /// To be done before anything else is taken.
    pub(super) work: VecDeque<Work>,
    /// What is done next waits for this.
    pub(super) waiting: Option<Waiting>,
    pub(super) actions: VecDeque<Action>,
    pub(super) links: Links,
    pub(super) calls: Calls,
    pub(super) phase: Phase,
    pub(super) renewal: Renewal,
    /// Callers were told that the store takes nothing.
    pub(super) in_trouble: bool,
    pub(super) looked_for_room: Age,
    /// The kinds of slips of the scheduler that were told.
    pub(super) told_slips: BTreeSet<SlipKind>,
}

impl Manager {
    /// A manager that has just taken the lease and loaded what its store holds.
    pub fn new(mut config: ManagerConfig, loaded: Loaded, now: impl Into<Now>) -> Self {
        let now = now.into();
        config.plan.epoch = loaded.epoch;
        let lease_ttl = config.plan.limits.lease_ttl;
        let mut manager = Self {
            boot: loaded.boot,
            now,
            state: State::load(config.plan.clone(), loaded.snapshot, now),
            config,
            round: Round::default(),
            last_round: now.age,
            work: VecDeque::new(),
            waiting: None,
            actions: VecDeque::new(),
            links: Links::default(),
            calls: Calls::default(),
            phase: Phase::Running,
            renewal: Renewal::of_acquired(now.age, lease_ttl),
            in_trouble: false,
            looked_for_room: now.age,
            told_slips: BTreeSet::new(),
        };
        manager.step(plan::Input::Started);
        manager
    }

    /// Takes an input. What follows from it is to be [polled](Self::poll) before the next one.
    pub fn handle(&mut self, input: Input, now: impl Into<Now>) {
        self.now = now.into();
        match input {
            Input::Drained => {
                if self.takes_news() && self.round.is_due(self.now.age) {
                    self.close_round();
                }
            }
            Input::Tick => self.tick(),
            Input::NotSent(session) => self.not_sent(session),
            Input::Read(answer) => self.read(answer),
            Input::Committed(outcome) => self.committed(outcome),
            Input::Loaded(outcome) => self.loaded(outcome),
            Input::Renewed(epoch, outcome) => self.renewed(epoch, outcome),
            Input::Close => self.close(),
            Input::WorkersLeft => self.workers_left(),
            Input::TookAll => self.took_all(),
            news => self.take(news),
        }
        self.end_when_fenced();
        self.go_on();
        self.renew_when_due();
    }

    /// The next thing to do; nothing when there is nothing more before the next input.
    pub fn poll(&mut self) -> Option<Action> {
        loop {
            match self.actions.pop_front()? {
                // It was given up since.
                Action::Send(session, _) if !self.links.has(session) => {}
                action => return Some(action),
            }
        }
    }

    /// Whether [`Self::poll`] gives something.
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Whether news is taken: nothing has to be done before.
    pub fn takes_news(&self) -> bool {
        self.waiting.is_none() && self.work.is_empty() && !self.phase.has_ended()
    }

    /// Whether all that it knows is committed, and nothing follows from it.
    pub fn is_at_rest(&self) -> bool {
        self.takes_news() && self.round.closes_at().is_none() && self.actions.is_empty()
    }

    /// When [`Input::Tick`] is due, if nothing happens before. While an answer is waited for, only to renew the lease.
    pub fn next_deadline(&self) -> Option<Age> {
        if self.phase.has_ended() {
            return None;
        }
        self.next_step().into_iter().chain(self.renewal.due).min()
    }

    fn next_step(&self) -> Option<Age> {
        let now = self.now.age;
        match &self.waiting {
            Some(waiting) => waiting.next_try_at(),
            None => {
                // Never a busy loop, whatever the planner waits for.
                let idle = || self.state.next_wakeup().clamp(now + Millis(1), now + TICK);
                let next = self.round.closes_at().unwrap_or_else(idle);
                Some(self.phase.ends_at().map_or(next, |at| at.min(next)))
            }
        }
    }

    /// A number for a new link, which is to say hello with it.
    pub fn next_session(&mut self) -> SessionId {
        self.state.next_session()
    }

    /// The open attempts and their workers, as committed when [`Action::Reloaded`] is to be performed.
    pub fn open_attempts(&self) -> impl Iterator<Item = (AttemptKey, WorkerId)> {
        self.state.open_attempts()
    }

    /// The number of the newest event.
    pub fn newest_event(&self) -> u64 {
        self.state.newest_event()
    }

    /// What the planner knows.
    pub const fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn step(&mut self, input: plan::Input) {
        self.count(1);
        self.state.step(input, self.now, &mut self.round.decision);
    }

    pub(super) fn count(&mut self, weight: usize) {
        self.round.count(weight, self.now.age, self.last_round);
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn note(&mut self, notice: Notice) {
        self.act(Action::Note(notice));
    }

    /// Asks the store, and waits for its answer.
    pub(super) fn ask(&mut self, query: Query, waiting: Waiting) {
        self.waiting = Some(waiting);
        self.act(Action::Read(query));
    }

    pub(super) fn ask_provisioner(&mut self, asks: Vec<Ask>) {
        self.actions.extend(asks.into_iter().map(|ask| match ask {
            Ask::Create(worker, isolation) => Action::Create(worker, isolation),
            Ask::AbandonCreation(worker) => Action::AbandonCreation(worker),
            Ask::Destroy(worker) => Action::Destroy(worker),
        }));
    }

    pub(super) fn set_trouble(&mut self, why: Option<Arc<str>>) {
        if self.in_trouble || why.is_some() {
            self.in_trouble = why.is_some();
            self.act(Action::Trouble(why));
        }
    }

    /// Time has passed: the same is tried again, or the planner looks at the clock.
    fn tick(&mut self) {
        match &mut self.waiting {
            Some(waiting) => {
                let again = waiting.next_try(self.now.age);
                self.actions.extend(again);
            }
            None if self.round.closes_at().is_none() && !self.phase.has_ended() => self.step(plan::Input::Tick),
            None => {}
        }
    }

    /// Does what is to be done before anything else is taken, until an answer is waited for.
    fn go_on(&mut self) {
        let mut worked = false;
        while self.waiting.is_none() && !self.phase.has_ended() {
            if let Some(work) = self.work.pop_front() {
                self.perform(work);
                worked = true;
            } else if self.round.is_full(self.now.age) {
                self.close_round();
            } else {
                self.go_on_closing();
                break;
            }
        }
        if worked {
            self.last_round = self.now.age;
        }
    }
}

//! What is installed on the worker, and what is being installed or removed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::{
    effect::Effect,
    install_log::InstallOutput,
    outgoing::Outgoing,
    pull::{Pull, Pulled},
};
use crate::{
    domain::{ActivityId, Millis, Payload, RevisionNo},
    executor::{INSTALLATIONS_AT_A_TIME, InstallError, InstallRequest},
    link::{FromWorker, InstallOutcome, Offer},
};

type Key = (ActivityId, RevisionNo);

#[derive(Debug)]
pub(super) struct Installs {
    installed: BTreeSet<Key>,
    /// At most [`INSTALLATIONS_AT_A_TIME`].
    current: BTreeMap<Key, Current>,
    waiting: VecDeque<(Order, Source)>,
    /// What has arrived over a link that ended; the manager offers it again, if it is still wanted.
    arrived: BTreeMap<Key, Pull>,
    removals: BTreeMap<Key, Removal>,
    /// Failures that no link could carry: the answer when the manager asks again, instead of another try.
    undelivered: BTreeMap<Key, InstallOutcome>,
    /// Output of earlier installations that no link could carry.
    left_over: VecDeque<FromWorker>,
}

/// What is to be installed.
#[derive(Debug)]
struct Order {
    key: Key,
    env: BTreeMap<String, String>,
    timeout: Millis,
}

/// Where the payload of an order comes from.
#[derive(Debug)]
enum Source {
    /// It came with the order.
    Here(Payload),
    /// It is to be pulled when its turn has come.
    Pull(Pull),
}

#[derive(Debug)]
struct Current {
    /// It waits for its payload, and the executor knows nothing of it.
    pulls: Option<(Order, Pull)>,
    output: InstallOutput,
    /// Nothing of its output was sent.
    first: bool,
    aborted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    /// For executions to end, or for its installation to be aborted.
    Waits,
    UnderWay,
}

/// How many messages of output are kept while no link can carry them.
const LEFT_OVER: usize = 16;

impl Installs {
    pub(super) fn new(installed: Vec<Key>) -> Self {
        Self {
            installed: installed.into_iter().collect(),
            current: BTreeMap::new(),
            waiting: VecDeque::new(),
            arrived: BTreeMap::new(),
            removals: BTreeMap::new(),
            undelivered: BTreeMap::new(),
            left_over: VecDeque::new(),
        }
    }

    /// Whether executions of it can be started.
    pub(super) fn has(&self, activity: ActivityId, revision: RevisionNo) -> bool {
        let key = (activity, revision);
        self.installed.contains(&key) && !self.removals.contains_key(&key)
    }

    pub(super) fn installed(&self) -> Vec<Key> {
        self.installed.iter().copied().collect()
    }

    /// What the executor installs. What is still being pulled is to be offered again on a new link.
    pub(super) fn installing(&self) -> Vec<Key> {
        let installs = |current: &Current| !current.aborted && current.pulls.is_none();
        self.current.iter().filter(|(_, current)| installs(current)).map(|(key, _)| *key).collect()
    }

    fn is_installing(&self, key: Key) -> bool {
        self.current.get(&key).is_some_and(|current| !current.aborted)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.current.is_empty() && self.waiting.is_empty() && self.removals.is_empty()
    }

    /// Installs what came whole.
    pub(super) fn install(&mut self, request: InstallRequest, outgoing: &mut Outgoing, effects: &mut Vec<Effect>) {
        let InstallRequest { activity, revision, payload, env, timeout } = request;
        let order = Order { key: (activity, revision), env, timeout };
        self.take_order(order, Source::Here(payload), outgoing, effects);
    }

    fn take_order(&mut self, order: Order, source: Source, outgoing: &mut Outgoing, effects: &mut Vec<Effect>) {
        let key = order.key;
        if self.removals.get(&key) == Some(&Removal::Waits) && self.installed.contains(&key) {
            // It is wanted again before it was touched.
            self.removals.remove(&key);
        }
        if self.has(key.0, key.1) {
            outgoing.say(ended(key, InstallOutcome::Installed));
        } else if let Some(outcome) = self.undelivered.remove(&key) {
            outgoing.say(ended(key, outcome));
        } else if !self.is_installing(key) {
            self.waiting.retain(|(other, _)| other.key != key);
            self.waiting.push_back((order, source));
            self.begin_next(outgoing, effects);
        }
    }

    /// Installs what the manager offers, and goes on with what has arrived of it.
    pub(super) fn offered(&mut self, offer: Offer, outgoing: &mut Outgoing, effects: &mut Vec<Effect>) {
        let Offer { activity, revision, version, env, timeout } = offer;
        let key = (activity, revision);
        let arrived = self.arrived.remove(&key).filter(|pull| pull.is_of(&version));
        let source = Source::Pull(arrived.unwrap_or_else(|| Pull::new(key, version)));
        self.take_order(Order { key, env, timeout }, source, outgoing, effects);
    }

    fn begin_next(&mut self, outgoing: &mut Outgoing, effects: &mut Vec<Effect>) {
        while self.current.len() < INSTALLATIONS_AT_A_TIME {
            // What is being removed is installed again when it is gone.
            let free = |(order, _): &(Order, Source)| !self.removals.contains_key(&order.key);
            let next = self.waiting.iter().position(free).and_then(|at| self.waiting.remove(at));
            let Some((order, source)) = next else { return };
            let key = order.key;
            let mut current = Current { pulls: None, output: InstallOutput::default(), first: true, aborted: false };
            match source {
                Source::Here(payload) => effects.push(Effect::Install(order.with(payload))),
                Source::Pull(mut pull) => {
                    outgoing.say_all(std::iter::from_fn(|| pull.next_want()));
                    current.pulls = Some((order, pull));
                }
            }
            self.current.insert(key, current);
        }
    }

    /// A piece of a payload has come.
    pub(super) fn piece(
        &mut self,
        key: Key,
        (offset, total, bytes): (u64, u64, &Bytes),
        outgoing: &mut Outgoing,
        effects: &mut Vec<Effect>,
    ) {
        let Some(Current { pulls, .. }) = self.current.get_mut(&key) else { return };
        let Some((_, pull)) = pulls else { return };
        match pull.take(offset, total, bytes) {
            Pulled::Some => outgoing.say_all(std::iter::from_fn(|| pull.next_want())),
            Pulled::All(payload) => {
                if let Some((order, _)) = pulls.take() {
                    effects.push(Effect::Install(order.with(payload)));
                }
            }
            Pulled::Nonsense(message) => {
                self.current.remove(&key);
                outgoing.say(ended(key, InstallOutcome::Failed { message, permanent: false }));
                self.begin_next(outgoing, effects);
            }
        }
    }

    /// The link ended. What waits for its payload is offered again, if it is still wanted: nothing of it is kept but what
    /// has arrived.
    pub(super) fn link_ended(&mut self, undelivered: VecDeque<FromWorker>) {
        let pulled = self.current.extract_if(.., |_, current| current.pulls.is_some());
        self.arrived = pulled.filter_map(|(key, current)| Some((key, current.pulls?.1))).collect();
        for (order, source) in std::mem::take(&mut self.waiting) {
            match source {
                Source::Here(_) => self.waiting.push_back((order, source)),
                Source::Pull(pull) => drop(self.arrived.insert(order.key, pull)),
            }
        }
        self.arrived.values_mut().for_each(Pull::link_ended);
        self.remember_undelivered(undelivered);
    }

    pub(super) fn printed(&mut self, key: Key, bytes: &[u8]) {
        if let Some(current) = self.current.get_mut(&key).filter(|current| !current.aborted) {
            current.output.push(bytes);
        }
    }

    /// The next piece of output for the manager.
    pub(super) fn next_output(&mut self, max: usize) -> Option<FromWorker> {
        if let Some(message) = self.left_over.pop_front() {
            return Some(message);
        }
        let mut telling = self.current.iter_mut().filter(|(_, current)| !current.aborted);
        telling.find_map(|(key, current)| current.next_output(*key, max))
    }

    pub(super) fn ended(
        &mut self,
        key: Key,
        result: Result<(), InstallError>,
        outgoing: &mut Outgoing,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut current) = self.current.remove(&key) else { return };
        if current.aborted {
            // It ended before it could be aborted; its removal takes whatever it left.
            return self.removal_can_begin(key, outgoing, effects);
        }
        let outcome = match result {
            Ok(()) => {
                self.installed.insert(key);
                InstallOutcome::Installed
            }
            Err(InstallError { message, permanent }) => InstallOutcome::Failed { message, permanent },
        };
        for message in std::iter::from_fn(|| current.next_output(key, 64 << 10)) {
            outgoing.say(message);
        }
        outgoing.say(ended(key, outcome));
        self.begin_next(outgoing, effects);
    }

    pub(super) fn aborted(&mut self, key: Key, outgoing: &mut Outgoing, effects: &mut Vec<Effect>) {
        if self.current.remove(&key).is_some() {
            self.removal_can_begin(key, outgoing, effects);
        }
    }

    /// Keeps of what a lost link did not carry that which a hello does not tell.
    fn remember_undelivered(&mut self, messages: VecDeque<FromWorker>) {
        for message in messages {
            match message {
                FromWorker::InstallEnded { activity, revision, outcome: outcome @ InstallOutcome::Failed { .. } } => {
                    self.undelivered.insert((activity, revision), outcome);
                }
                FromWorker::InstallOutput { .. } if self.left_over.len() < LEFT_OVER => {
                    self.left_over.push_back(message);
                }
                _ => {}
            }
        }
    }

    /// Removes an installation, or what is being installed, or what waits to be: the last word counts.
    pub(super) fn remove(&mut self, key: Key, in_use: bool, effects: &mut Vec<Effect>) {
        self.waiting.retain(|(order, _)| order.key != key);
        self.undelivered.remove(&key);
        self.arrived.remove(&key);
        if self.current.get(&key).is_some_and(|current| current.pulls.is_some()) {
            // The executor has not heard of it. The next installation begins when this one is removed.
            self.current.remove(&key);
        }
        if self.removals.contains_key(&key) {
            return;
        }
        self.removals.insert(key, Removal::Waits);
        match self.current.get_mut(&key) {
            Some(current) if !current.aborted => {
                current.aborted = true;
                effects.push(Effect::AbortInstall(key.0, key.1));
            }
            Some(_) => {}
            None if in_use => {}
            None => self.begin_removal(key.0, key.1, effects),
        }
    }

    /// It is damaged or gone: the manager has it installed again, unless it is not wanted any more.
    pub(super) fn lost(&mut self, key: Key, outgoing: &mut Outgoing) {
        if self.installed.remove(&key) {
            self.say_missing(key, outgoing);
        }
    }

    /// Tells that it is not there, unless that is told when its removal is done.
    pub(super) fn say_missing(&self, key: Key, outgoing: &mut Outgoing) {
        if !self.removals.contains_key(&key) {
            outgoing.say(FromWorker::Removed { activity: key.0, revision: key.1 });
        }
    }

    /// Whether a removal waits for executions to end.
    pub(super) fn awaits_removal(&self, activity: ActivityId, revision: RevisionNo) -> bool {
        self.removals.get(&(activity, revision)) == Some(&Removal::Waits)
    }

    pub(super) fn begin_removal(&mut self, activity: ActivityId, revision: RevisionNo, effects: &mut Vec<Effect>) {
        self.removals.insert((activity, revision), Removal::UnderWay);
        self.installed.remove(&(activity, revision));
        effects.push(Effect::Remove(activity, revision));
    }

    /// What was aborted is gone: its removal begins, and so does the next installation.
    fn removal_can_begin(&mut self, key: Key, outgoing: &mut Outgoing, effects: &mut Vec<Effect>) {
        if self.removals.get(&key) == Some(&Removal::Waits) {
            self.begin_removal(key.0, key.1, effects);
        }
        self.begin_next(outgoing, effects);
    }

    pub(super) fn removed(&mut self, key: Key, outgoing: &mut Outgoing, effects: &mut Vec<Effect>) {
        self.removals.remove(&key);
        outgoing.say(FromWorker::Removed { activity: key.0, revision: key.1 });
        self.begin_next(outgoing, effects);
    }
}

impl Order {
    /// The same for the executor, once the payload is there.
    fn with(self, payload: Payload) -> InstallRequest {
        let Self { key: (activity, revision), env, timeout } = self;
        InstallRequest { activity, revision, payload, env, timeout }
    }
}

impl Current {
    fn next_output(&mut self, (activity, revision): Key, max: usize) -> Option<FromWorker> {
        let bytes = self.output.next(max)?;
        let restart = std::mem::take(&mut self.first);
        Some(FromWorker::InstallOutput { activity, revision, restart, bytes })
    }
}

fn ended((activity, revision): Key, outcome: InstallOutcome) -> FromWorker {
    FromWorker::InstallEnded { activity, revision, outcome }
}

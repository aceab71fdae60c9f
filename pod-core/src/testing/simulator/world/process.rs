//! The process of the manager: the real [`Manager`], and a model of the task around it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    super::{
        invariants,
        luck::Luck,
        manager_process::{ManagerProcess, News},
    },
    MAX_WORKERS, SimEvent, Step, World,
    lease::{LEASE_TTL, MANAGER},
    now_or_never,
};
use crate::{
    api::{Limits, PodError},
    domain::{Epoch, Millis},
    manager::{Action, Input, Loaded, Manager, ManagerConfig},
    plan::{self, Config, Window},
    provisioner::Capabilities,
    scheduler::DefaultScheduler,
    store::{Acquisition, Store, StoreError},
};

fn config(store: &dyn Store, luck: &Luck) -> ManagerConfig {
    let plan = Config {
        backend: "simulated".into(),
        store: store.id(),
        epoch: Epoch(0),
        limits: Limits {
            slots: 2,
            retry_backoff: invariants::RETRY_BACKOFF,
            retention: invariants::RETENTION,
            output_cap: luck.output_cap,
            install_timeout: Millis::from_secs(60),
            lease_ttl: LEASE_TTL,
            ..Limits::default()
        },
        launch_timeout: Millis::from_secs(60),
        capabilities: Capabilities { supports_all: luck.both_kinds, ..Capabilities::default() },
        scheduler: Arc::new(DefaultScheduler),
        // Small, so that most of a queue is in the store alone.
        window: Window { least: 2, per_slot: 1 },
        oldest_version: crate::link::OLDEST_VERSION,
    };
    ManagerConfig { plan, workers_stay: true }
}

impl World {
    /// What the manager that runs believes.
    pub(super) fn state(&self) -> Option<&crate::plan::State> {
        self.process.as_ref().map(|process| process.manager.state())
    }

    /// Whether a manager runs, and has nothing to do.
    pub(super) fn is_manager_at_rest(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.inbox.is_empty() && process.manager.is_at_rest())
    }

    /// A manager begins: it takes the lease, and goes on from what the store holds. Where it cannot, it is started again.
    pub(super) fn start_manager(&mut self) -> Step {
        if self.process.is_some() {
            return Ok(());
        }
        self.note(&"a manager starts");
        let loaded = match self.load(true) {
            Ok(Some(loaded)) => loaded,
            outcome => {
                let why = outcome.err().map_or("another one holds the store".to_owned(), |error| error.to_string());
                self.note(&("it cannot", why));
                self.at(1000, SimEvent::ManagerBack);
                return Ok(());
            }
        };
        self.managers += 1;
        let manager = Manager::new(config(&self.store, &self.luck), loaded, self.clock());
        self.process = Some(ManagerProcess {
            open: manager.open_attempts().collect(),
            manager,
            number: self.managers,
            inbox: VecDeque::new(),
            waits: false,
            paused_until: 0,
            calls: BTreeMap::new(),
            changed: true,
        });
        self.run_manager()
    }

    /// The manager acquires the lease and reads what the store holds; nothing where another one holds it.
    pub(super) fn load(&mut self, taken_over: bool) -> Result<Option<Loaded>, StoreError> {
        if self.is_store_away() {
            return Err(StoreError::Unavailable("nobody answers".into()));
        }
        let acquisition = self.acquire(MANAGER)?;
        let Acquisition::Acquired(lease) = acquisition else { return Ok(None) };
        let mut snapshot = now_or_never(self.store.load())?;
        snapshot.clock = self.go_on(snapshot.clock, taken_over);
        Ok(Some(Loaded { epoch: lease.epoch, snapshot, boot: None }))
    }

    /// Something reaches the manager, where one runs.
    pub(super) fn tell(&mut self, news: News) -> Step {
        if let Some(process) = &mut self.process {
            process.inbox.push_back(news);
        }
        self.run_manager()
    }

    /// An answer reaches the manager that asked.
    pub(super) fn answer(&mut self, number: u64, input: Input) -> Step {
        let now = self.clock();
        match self.process.as_mut().filter(|process| process.number == number) {
            Some(process) => {
                process.waits = false;
                process.manager.handle(input, now);
                self.run_manager()
            }
            None => Ok(()),
        }
    }

    /// When the manager looks at the clock, by the time that there really is.
    pub(super) fn next_of_manager(&self) -> Option<i64> {
        let process = self.process.as_ref()?;
        let due = process.manager.next_deadline().filter(|_| !process.waits)?;
        let uncounted = self.now - self.clock().age.0;
        Some((due.0 + uncounted).max(process.paused_until))
    }

    /// The manager looks at the clock.
    pub(super) fn tick_manager(&mut self) -> Step {
        let now = self.clock();
        if let Some(process) = &mut self.process {
            process.manager.handle(Input::Tick, now);
        }
        self.run_manager()
    }

    /// Hands in what has come and performs what follows, as far as that goes without waiting. This is what the task of
    /// the engine does.
    pub(super) fn run_manager(&mut self) -> Step {
        loop {
            let now = self.clock();
            let Some(process) = self.process.as_mut().filter(|process| self.now >= process.paused_until) else { break };
            if process.waits {
                break;
            }
            if let Some(action) = process.manager.poll() {
                process.changed = true;
                self.perform(action)?;
            } else if process.manager.takes_news()
                && let Some(news) = process.inbox.pop_front()
            {
                self.hand_in(news);
            } else {
                process.manager.handle(Input::Drained, now);
                if !process.manager.has_actions() {
                    break;
                }
            }
        }
        self.flush();
        self.check_state()
    }

    fn hand_in(&mut self, news: News) {
        let now = self.clock();
        let Some(process) = &mut self.process else { return };
        let input = match news {
            News::Input(input) => input,
            News::Hello(link, hello) => {
                let session = process.manager.next_session();
                if let Some(end) = self.ends.ends.get_mut(&link) {
                    end.session = Some(session);
                }
                Input::Happened(plan::Input::Hello { hello, session, anyone: false })
            }
        };
        process.manager.handle(input, now);
    }

    fn check_state(&mut self) -> Step {
        let age = self.clock().age;
        let Some(process) = &mut self.process else { return Ok(()) };
        // Between a round and its commit the state is ahead of what counts.
        if process.waits || !std::mem::take(&mut process.changed) {
            return Ok(());
        }
        let state = process.manager.state();
        self.checker.state(state, MAX_WORKERS)?;
        self.checker.delays(state, age, self.now, self.uncounted)
    }

    /// The manager is at its end, by itself.
    pub(super) fn manager_ended(&mut self, reason: &PodError) -> Step {
        self.note(&("the manager ends", reason.to_string()));
        if let PodError::Crashed(why) = reason {
            return Err(format!("the manager crashed by itself: {why}"));
        }
        self.report.orderly_ends += u64::from(matches!(reason, PodError::Stopped));
        self.manager_is_gone();
        self.close_all();
        let back = self.faults.between(10, 40_000).cast_signed();
        self.at(back, SimEvent::ManagerBack);
        Ok(())
    }

    /// Nobody is answered any more.
    pub(super) fn manager_is_gone(&mut self) {
        self.process = None;
        for wanted in self.requests.forget() {
            let again = self.users.between(10, 3000).cast_signed();
            self.at(again, SimEvent::Ask(Box::new(wanted)));
        }
    }

    /// Performs one action.
    fn perform(&mut self, action: Action) -> Step {
        match action {
            Action::Read(query) => return self.read(query),
            Action::Commit(batch) => return self.commit(batch),
            Action::Load => return self.load_again(),
            Action::Publish(published) => {
                let Some(process) = &mut self.process else { return Ok(()) };
                for key in published.closed {
                    process.open.remove(&key);
                }
                process.open.extend(published.opened);
            }
            Action::Reloaded => {
                if let Some(process) = &mut self.process {
                    process.open = process.manager.open_attempts().collect();
                }
            }
            Action::Reply(reply, answer) => return self.replied(reply, answer),
            Action::Admit(session, worker) => return self.admit(session, worker),
            Action::Refuse(session, refusal) => self.refuse(session, refusal),
            Action::Send(session, message) => return self.send(session, message),
            Action::Disconnect(session) => self.hang_up(session),
            Action::Create(worker, _) => return self.create(worker),
            Action::AbandonCreation(worker) => self.abandon_creation(worker),
            Action::Destroy(worker) => return self.destroy(worker),
            Action::List => self.list(),
            Action::Fetch(..) => return Err("nothing here is fetched".to_owned()),
            Action::Trouble(why) => self.note(&("trouble", why)),
            Action::Note(notice) => self.note(&("note", notice.to_string())),
            Action::Leave => return Err("workers stay, and are not asked to leave".to_owned()),
            Action::TakeNoMore => {
                if let Some(process) = &mut self.process {
                    process.inbox.push_back(News::Input(Input::TookAll));
                }
            }
            Action::Renew(epoch) => self.renew(epoch),
            Action::Release(epoch) => self.release(epoch),
            Action::End(reason) => return self.manager_ended(&reason),
        }
        Ok(())
    }
}

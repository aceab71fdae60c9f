//! The link as the worker sees it: who it is to whom, whether anybody is there, when to give up.

use std::time::Duration;

use super::{
    super::identity::{Identity, ShutdownNotice, WorkerExit},
    effect::Effect,
    input::Now,
};
use crate::{
    domain::{Epoch, Millis},
    link::{FIRST_VERSION, Welcome},
};

/// How long a manager may take to answer a hello.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// A manager that answers heartbeats and then says nothing for so many intervals is taken for gone.
const SILENT_INTERVALS: u32 = 3;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) identity: Identity,
    /// The newest epoch met.
    pub(super) epoch: Option<Epoch>,
    /// The newest epoch in which a manager was found to answer heartbeats.
    answered_in: Option<Epoch>,
    pub(super) link: Link,
    heartbeat: Duration,
    give_up_after: Duration,
    pub(super) output_cap: u64,
    /// The version of the link that is spoken.
    pub(super) version: u32,
    /// Since when no manager has welcomed it, while none does.
    pub(super) alone_since: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Link {
    Down,
    /// The hello is on its way.
    Greeting {
        since: Duration,
    },
    Up(Up),
}

#[derive(Debug)]
pub(super) struct Up {
    last_said: Duration,
    last_heard: Duration,
    last_heartbeat: Duration,
    /// The manager answers heartbeats, so its silence means something.
    answers: bool,
    /// A heartbeat is to be sent with the next frame.
    owes_heartbeat: bool,
}

impl Session {
    pub(super) fn new(identity: Identity, now: Now) -> Self {
        let give_up_after = identity.orphan_timeout.as_duration();
        Self {
            identity,
            epoch: None,
            answered_in: None,
            link: Link::Down,
            heartbeat: Duration::from_secs(5),
            give_up_after,
            output_cap: 64 << 20,
            version: FIRST_VERSION,
            alone_since: Some(now.uptime),
        }
    }

    pub(super) const fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    pub(super) const fn departure(&self) -> ShutdownNotice {
        self.identity.shutdown_notice
    }

    pub(super) fn heard(&mut self, now: Now) {
        if let Link::Up(up) = &mut self.link {
            up.last_heard = now.uptime;
        }
    }

    pub(super) fn heard_heartbeat(&mut self) {
        if let Link::Up(up) = &mut self.link {
            up.answers = true;
            self.answered_in = self.epoch;
        }
    }

    /// A frame is sent.
    pub(super) fn said(&mut self, now: Now) {
        if let Link::Up(up) = &mut self.link {
            up.last_said = now.uptime;
        }
    }

    /// Whether this frame is to hold a heartbeat.
    pub(super) fn take_heartbeat(&mut self, now: Now) -> bool {
        match &mut self.link {
            Link::Up(up) if up.owes_heartbeat => {
                up.owes_heartbeat = false;
                up.last_heartbeat = now.uptime;
                true
            }
            _ => false,
        }
    }

    pub(super) fn next_deadline(&self, idle: bool) -> Option<Duration> {
        let link = match &self.link {
            Link::Down => None,
            Link::Greeting { since } => Some(*since + WELCOME_TIMEOUT),
            Link::Up(up) => {
                let beat = (!up.owes_heartbeat).then(|| self.next_heartbeat(up));
                let silent = up.answers.then(|| up.last_heard + self.heartbeat * SILENT_INTERVALS);
                [beat, silent].into_iter().flatten().min()
            }
        };
        let give_up = self.alone_since.filter(|_| idle).map(|since| since + self.give_up_after);
        [link, give_up].into_iter().flatten().min()
    }

    /// A heartbeat is due when nothing was said for an interval, and as a question when nothing was heard for one.
    fn next_heartbeat(&self, up: &Up) -> Duration {
        up.last_said.min(up.last_heard.max(up.last_heartbeat)) + self.heartbeat
    }

    pub(super) fn tick(&mut self, idle: bool, now: Now) -> Option<Effect> {
        if let Some(since) = self.alone_since
            && idle
            && now.uptime >= since + self.give_up_after
        {
            return Some(Effect::Exit(WorkerExit::OrphanTimeout(Millis::from(now.uptime - since))));
        }
        let next_heartbeat = match &self.link {
            Link::Up(up) => self.next_heartbeat(up),
            _ => Duration::MAX,
        };
        match &mut self.link {
            Link::Greeting { since } if now.uptime >= *since + WELCOME_TIMEOUT => {
                Some(Effect::Disconnect(format!("the manager did not answer a hello within {WELCOME_TIMEOUT:?}")))
            }
            Link::Up(up) if up.answers && now.uptime >= up.last_heard + self.heartbeat * SILENT_INTERVALS => {
                let silent = Millis::from(now.uptime - up.last_heard);
                Some(Effect::Disconnect(format!("the manager has been silent for {silent}")))
            }
            Link::Up(up) => {
                up.owes_heartbeat |= now.uptime >= next_heartbeat;
                None
            }
            _ => None,
        }
    }

    /// Takes a welcome, or says why the worker must not serve this manager.
    pub(super) fn take_welcome(&mut self, welcome: &Welcome, now: Now) -> Result<(), String> {
        let known = &self.identity;
        if let Some(store) = known.store.filter(|store| *store != welcome.store) {
            return Err(format!("the manager serves the store {}, and this worker belongs to {store}", welcome.store));
        }
        if let Some(worker) = known.worker.filter(|worker| *worker != welcome.worker) {
            return Err(format!("the manager took this worker for {}, and it is {worker}", welcome.worker));
        }
        if let Some(epoch) = self.epoch.filter(|epoch| *epoch > welcome.epoch) {
            return Err(format!(
                "the manager's epoch is {}, and this worker has met {epoch}: an older copy of the store was restored",
                welcome.epoch
            ));
        }
        self.identity.store = Some(welcome.store);
        self.identity.worker = Some(welcome.worker);
        self.epoch = Some(welcome.epoch);
        self.heartbeat = welcome.heartbeat.as_duration().max(Duration::from_millis(1));
        self.give_up_after = welcome.orphan_timeout.as_duration();
        self.output_cap = welcome.output_cap;
        self.version = welcome.version;
        self.alone_since = None;
        self.link = Link::Up(Up {
            last_said: now.uptime,
            last_heard: now.uptime,
            last_heartbeat: now.uptime,
            // The same manager does over any link: its silence means something from the first moment on.
            answers: self.answered_in == Some(welcome.epoch),
            // Of another one that is asked at once: a link may fall silent in its first seconds.
            owes_heartbeat: self.answered_in != Some(welcome.epoch),
        });
        Ok(())
    }
}

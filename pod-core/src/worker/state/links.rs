//! What becomes of a worker when a link comes and goes.

use super::{effect::Effect, input::Now, machine::WorkerState, session::Link};
use crate::{
    link::{FromWorker, Hello, NEWEST_VERSION, OLDEST_VERSION, Rejection, Welcome},
    worker::identity::WorkerExit,
};

impl WorkerState {
    pub(super) fn connected(&mut self, now: Now) {
        self.disconnected(now);
        self.session.link = Link::Greeting { since: now.uptime };
        let identity = &self.session.identity;
        let hello = Hello {
            protocol: OLDEST_VERSION,
            store: identity.store,
            worker: identity.worker,
            epoch: self.session.epoch,
            incarnation: identity.incarnation,
            token: identity.token.clone(),
            slots: self.slots,
            host: identity.host.clone(),
            attempts: self.attempts.report(),
            installed: self.installs.installed(),
            installing: self.installs.installing(),
            newest: NEWEST_VERSION,
        };
        self.outgoing.greet(FromWorker::Hello(Box::new(hello.fitting())));
    }

    pub(super) fn disconnected(&mut self, now: Now) {
        if self.session.is_up() {
            self.session.alone_since = Some(now.uptime);
        }
        self.session.link = Link::Down;
        let undelivered = self.outgoing.link_ended();
        self.installs.link_ended(undelivered);
        self.attempts.unqueue_all();
    }

    pub(super) fn welcomed(&mut self, welcome: Box<Welcome>, now: Now, effects: &mut Vec<Effect>) {
        if !matches!(self.session.link, Link::Greeting { .. }) {
            return;
        }
        if let Err(reason) = self.session.take_welcome(&welcome, now) {
            effects.push(Effect::Exit(WorkerExit::WrongManager(reason)));
            return;
        }
        for key in welcome.discard {
            self.forget(key, effects);
        }
        self.announce_departure();
        self.attempts.resend_all(&mut self.outgoing);
        for (activity, revision) in welcome.remove {
            self.remove(activity, revision, effects);
        }
    }

    pub(super) fn refused(&mut self, refusal: Rejection, now: Now, effects: &mut Vec<Effect>) {
        match refusal {
            // It leaves, and was let go meanwhile: the word of that may have been lost with a link.
            Rejection::Permanent(_) if self.leaving.is_some() => effects.push(Effect::Exit(WorkerExit::Cancelled)),
            Rejection::Permanent(reason) => effects.push(Effect::Exit(WorkerExit::Refused(reason))),
            Rejection::Transient(reason) => {
                self.disconnected(now);
                effects.push(Effect::Disconnect(reason));
            }
        }
    }
}

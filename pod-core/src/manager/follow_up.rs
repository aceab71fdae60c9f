//! Does what follows from a committed round, in order: a later order for the same installation must not overtake an
//! earlier one, and what is read is stepped while nothing is uncommitted.

use super::{
    action::{Action, Query},
    input::Answer,
    machine::Manager,
    notice::Notice,
    request::{execution_of, key_of},
    work::{Waiting, Work},
};
use crate::{
    domain::{ActivityId, RevisionNo, WorkerId},
    link::{Offer, ToWorker, Welcome},
    plan::{self, Effect},
};

/// Executions deleted at a time, so that a large deletion holds nothing up.
const EXPIRED_AT_A_TIME: usize = 500;

impl Manager {
    pub(super) fn perform(&mut self, work: Work) {
        match work {
            Work::Perform(effect) => self.perform_effect(effect),
            Work::ReadOn => {
                for refill in self.state.refills().into_iter().rev() {
                    self.work.push_front(Work::Refill(refill));
                }
            }
            Work::Refill(refill) => self.ask(Query::Queue(refill), Waiting::Queue(refill)),
            Work::LookForRoom => self.ask(Query::Room, Waiting::Room),
            Work::Take(asked) => {
                let (execution, key) = (execution_of(&asked.request), key_of(&asked.request).map(str::to_owned));
                self.ask(Query::Rows { execution, key }, Waiting::Rows(asked));
            }
        }
    }

    /// The store has answered.
    pub(super) fn read(&mut self, answer: Answer) {
        match (self.waiting.take(), answer) {
            (Some(Waiting::Queue(refill)), Answer::Queue(result)) => match result {
                Ok(claimed) => self.step(plan::Input::QueueRead(refill.activity, refill.revision, claimed)),
                Err(error) => self.note(Notice::QueueUnread(refill.activity, error)),
            },
            (Some(Waiting::Expired), Answer::Expired(result)) => match result {
                Ok(expired) if expired.is_empty() => {}
                Ok(expired) => self.step(plan::Input::Expired(expired)),
                Err(error) => self.note(Notice::NotExpired(error)),
            },
            (Some(Waiting::Room), Answer::Room(room)) => self.state.set_full(!room),
            (Some(Waiting::Rows(asked)), Answer::Rows(rows)) => self.found(*asked, rows),
            (waiting, answer) => unreachable!("{answer:?} answers nothing that was asked: {waiting:?}"),
        }
    }

    fn perform_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Welcome(welcome) => self.welcome(*welcome),
            Effect::Refuse(session, refusal) => {
                if self.links.has(session) {
                    self.links.end(session);
                    self.act(Action::Refuse(session, refusal));
                }
            }
            Effect::Disconnect(session) => {
                if self.links.has(session) {
                    self.links.end(session);
                    self.act(Action::Disconnect(session));
                }
            }
            Effect::Start(worker, order) => self.send(worker, ToWorker::Start(Box::new(order))),
            Effect::Stop(worker, key, grace) => self.send(worker, ToWorker::Stop { key, grace }),
            Effect::Recall(worker, key) => self.send(worker, ToWorker::Recall { key }),
            Effect::AckEnd(worker, key) => self.send(worker, ToWorker::EndAck { key }),
            Effect::Install(worker, activity, revision) => self.install(worker, activity, revision),
            Effect::Remove(worker, activity, revision) => self.send(worker, ToWorker::Remove { activity, revision }),
            Effect::Shutdown(worker, reason) => self.send(worker, ToWorker::Shutdown { reason }),
            Effect::Create(worker, isolation) => {
                let asks = self.calls.create(worker, isolation);
                self.ask_provisioner(asks);
            }
            Effect::Destroy(worker) => {
                let asks = self.calls.destroy(worker);
                self.ask_provisioner(asks);
            }
            Effect::List => self.act(Action::List),
            Effect::Fetch(activity, revision, url) => self.act(Action::Fetch(activity, revision, url)),
            Effect::Expire(before) => self.ask(Query::Expired { before, limit: EXPIRED_AT_A_TIME }, Waiting::Expired),
        }
    }

    /// Lets a link in. An older link of the same worker ends.
    fn welcome(&mut self, welcome: Welcome) {
        let (worker, session) = (welcome.worker, welcome.session);
        let (there, older) = self.links.admit(session, worker);
        if !there {
            return;
        }
        self.act(Action::Admit(session, worker));
        if let Some(older) = older {
            self.act(Action::Disconnect(older));
        }
        self.act(Action::Send(session, ToWorker::Welcome(Box::new(welcome))));
    }

    /// Sends to a worker, if it is connected.
    fn send(&mut self, worker: WorkerId, message: ToWorker) {
        if let Some(session) = self.links.of(worker) {
            self.act(Action::Send(session, message));
        }
    }

    /// Offers a revision. Its worker asks the link for the payload when its turn has come, past this.
    fn install(&mut self, worker: WorkerId, activity: ActivityId, revision: RevisionNo) {
        // One that is not known was deleted meanwhile: its removal is under way.
        let Some(known) = self.state.revision(activity, revision) else { return };
        let (version, env) = (known.version(), known.settings.env.clone());
        let timeout = self.config.plan.limits.install_timeout;
        self.send(worker, ToWorker::Offer(Box::new(Offer { activity, revision, version, env, timeout })));
    }
}

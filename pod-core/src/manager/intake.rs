//! How news becomes part of the round.

use super::{
    action::Action,
    input::{Asked, Input, Rows},
    machine::Manager,
    notice::Notice,
    request::{execution_of, key_of, weight},
    work::Work,
};
use crate::{domain::SessionId, plan, store::StoreError};

impl Manager {
    pub(super) fn take(&mut self, news: Input) {
        debug_assert!(self.takes_news(), "news was handed in while something else had to be done: {news:?}");
        match news {
            Input::Request(asked) => self.take_request(asked),
            Input::Said { worker, session, messages } => {
                for message in messages {
                    self.step(plan::Input::Said { worker, session, message });
                }
            }
            Input::CreationAbandoned(worker) => {
                let (_, asks) = self.calls.creation_over(worker);
                self.ask_provisioner(asks);
            }
            Input::Happened(input) => self.happened(input),
            _ => unreachable!("what is no news is handled elsewhere"),
        }
    }

    fn happened(&mut self, input: plan::Input) {
        match &input {
            plan::Input::Hello { session, .. } => self.links.arrived(*session),
            plan::Input::LinkLost { session, .. } => _ = self.links.end(*session),
            plan::Input::Created { worker, .. } => {
                let (wanted, asks) = self.calls.creation_over(*worker);
                self.ask_provisioner(asks);
                if !wanted {
                    return;
                }
            }
            plan::Input::Destroyed { worker, .. } => {
                let (_, asks) = self.calls.destruction_over(*worker);
                self.ask_provisioner(asks);
            }
            _ => {}
        }
        self.step(input);
    }

    /// Takes a request with the rows that it names. They are read while nothing of them is uncommitted: where the round
    /// under way changed them, it is closed first.
    fn take_request(&mut self, asked: Box<Asked>) {
        let (execution, key) = (execution_of(&asked.request), key_of(&asked.request));
        if execution.is_none() && key.is_none() {
            return self.step_request(*asked);
        }
        let decision = &self.round.decision;
        let changed = execution.is_some_and(|id| decision.holds(id)) || key.is_some_and(|key| decision.holds_key(key));
        if changed {
            self.close_round();
        }
        self.work.push_back(Work::Take(asked));
    }

    /// The rows of a request are there.
    pub(super) fn found(&mut self, mut asked: Asked, rows: Result<Box<Rows>, StoreError>) {
        match rows {
            Ok(rows) => {
                (asked.found.execution, asked.found.idempotency) = (rows.execution, rows.idempotency);
                self.step_request(asked);
            }
            Err(error) => self.act(Action::Reply(asked.reply, Err(error.into()))),
        }
    }

    fn step_request(&mut self, Asked { request, reply, found }: Asked) {
        if request.only_looks() && self.round.is_empty() {
            // All that is known is committed: it is read as it is, and nothing is planned for it.
            let answer = self.state.look(request, *found, self.now, &mut self.round.decision);
            return self.act(Action::Reply(reply, answer));
        }
        self.count(weight(&request));
        self.round.hurry();
        self.step(plan::Input::Request { request, reply, found });
    }

    /// A link did not take a message.
    pub(super) fn not_sent(&mut self, session: SessionId) {
        if let Some(worker) = self.links.of_session(session) {
            self.note(Notice::LinkGivenUp(worker));
            self.give_up_link(session);
        }
    }

    /// Ends a link: the planner is to know, in the round that comes.
    pub(super) fn give_up_link(&mut self, session: SessionId) {
        if let Some(worker) = self.links.end(session) {
            self.act(Action::Disconnect(session));
            self.step(plan::Input::LinkLost { worker, session });
        }
    }
}

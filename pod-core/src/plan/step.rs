//! What can happen, and what each thing changes.

mod activities;
mod attempts;
mod executions;
mod installations;
mod policies;
mod terms;
mod workers;

use super::{
    decision::{Decision, ReplyId},
    state::State,
};
use crate::{
    api::{Reply, Request},
    domain::{ActivityId, EventKind, Execution, Now, Payload, RevisionNo, SessionId, WorkerId},
    link::{FromWorker, Hello},
    provisioner::{Machine, ProvisionError},
    store::{Change, ExpiredExecution, IdempotencyRecord, QueuePage},
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// This manager has taken over, with the state that the store held.
    Started,
    /// A user asks for something.
    Request {
        /// What.
        request: Request,
        /// Whom to answer.
        reply: ReplyId,
        /// What the store holds of it, read while nothing of it was uncommitted.
        found: Box<StoredContext>,
    },
    /// A worker said hello on a new link.
    Hello {
        /// What it said.
        hello: Box<Hello>,
        /// The number given to the link.
        session: SessionId,
        /// Whether it may be a worker that this store did not create.
        anyone: bool,
    },
    /// A worker said something else. `Output`, `Tail` and `InstallOutput` never come here, and `Ended` without bytes.
    Said {
        /// Who.
        worker: WorkerId,
        /// On which link.
        session: SessionId,
        /// What.
        message: FromWorker,
    },
    /// A link ended.
    LinkLost {
        /// Whose.
        worker: WorkerId,
        /// Which.
        session: SessionId,
    },
    /// The making of a worker takes long.
    Progress {
        /// Which.
        worker: WorkerId,
        /// How far it has come, as a sentence.
        note: String,
    },
    /// A worker is known to be dead.
    Gone {
        /// Which.
        worker: WorkerId,
        /// Why, as a sentence.
        reason: String,
    },
    /// The provisioner answered `create`.
    Created {
        /// Which worker.
        worker: WorkerId,
        /// How it went.
        result: Result<(), ProvisionError>,
    },
    /// The provisioner answered `destroy`.
    Destroyed {
        /// Which worker.
        worker: WorkerId,
        /// How it went; a sentence when not well.
        result: Result<(), String>,
    },
    /// The provisioner answered `list`.
    Listed(Vec<Machine>),
    /// A script was fetched, or not.
    Fetched {
        /// Of which activity.
        activity: ActivityId,
        /// Of which revision.
        revision: RevisionNo,
        /// The pinned bytes with their sha256 in hexadecimal, or a sentence.
        result: Result<(Payload, String), String>,
    },
    /// The store read more of a queue.
    QueueRead(ActivityId, RevisionNo, QueuePage),
    /// The store found executions whose retention time is over.
    Expired(Vec<ExpiredExecution>),
    /// Time passed.
    Tick,
}

impl Input {
    /// Whether a worker says that an execution began or ended, or that it is there.
    const fn is_report(&self) -> bool {
        use FromWorker::{Ended, Heartbeat, Recalled, Running};
        match self {
            Self::Said { message, .. } => {
                matches!(message, Ended(_) | Heartbeat | Recalled { .. } | Running { .. })
            }
            _ => false,
        }
    }
}

/// What the store holds of what a request names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredContext {
    /// The execution of `Terminate`, `Retry`, `Retrieve`, `Explain`.
    pub execution: Option<Execution>,
    /// What the idempotency key was used for, and that first execution.
    pub idempotency: Option<(IdempotencyRecord, Option<Execution>)>,
    /// The sha256 of the content of `CreateActivity`, in hexadecimal.
    pub sha256: Option<String>,
    /// The sha256 of the request that an idempotency key stands for.
    pub request_hash: [u8; 32],
}

impl State {
    /// Takes one input.
    pub fn step(&mut self, input: Input, now: impl Into<Now>, out: &mut Decision) {
        self.advance(now.into(), out);
        out.has_more_than_reports |= !input.is_report();
        match input {
            Input::Started => _ = out.event(self.wall(), EventKind::ManagerStarted),
            Input::Request { request, reply, found } => self.request(request, reply, *found, out),
            Input::Hello { hello, session, anyone } => self.hello(*hello, session, anyone, out),
            Input::Said { worker, session, message } => self.said(worker, session, message, out),
            Input::LinkLost { worker, session } => self.link_lost(worker, session),
            Input::Progress { worker, note } => self.launch_progress(worker, &note, out),
            Input::Gone { worker, reason } => self.gone(worker, reason.into(), out),
            Input::Created { worker, result } => self.created(worker, result, out),
            Input::Destroyed { worker, result } => self.destroyed(worker, result, out),
            Input::Listed(workers) => self.listed(&workers, out),
            Input::Fetched { activity, revision, result } => self.fetched(activity, revision, result, out),
            Input::QueueRead(activity, revision, claimed) => self.claimed(activity, revision, claimed),
            Input::Expired(expired) => self.expired(&expired, out),
            Input::Tick => {}
        }
    }

    fn said(&mut self, worker: WorkerId, session: SessionId, message: FromWorker, out: &mut Decision) {
        if !self.seen(worker, session) {
            return; // an older link of that worker: its next hello told everything
        }
        match message {
            FromWorker::Running { key, at } => self.attempt_started(worker, key, at, out),
            FromWorker::Ended(report) => self.attempt_ended(worker, *report, out),
            FromWorker::Recalled { key } => self.attempt_recalled(worker, key, out),
            FromWorker::InstallEnded { activity, revision, outcome } => {
                self.install_ended(worker, activity, revision, outcome, out);
            }
            FromWorker::Removed { activity, revision } => self.removed(worker, activity, revision, out),
            FromWorker::Leaving { reason } => self.leaves(worker, reason.into(), out),
            FromWorker::Goodbye { reason } => self.has_left(worker, reason.into(), out),
            FromWorker::Hello(_)
            | FromWorker::Heartbeat
            | FromWorker::Interleaving { .. }
            | FromWorker::Output { .. }
            | FromWorker::Tail { .. }
            | FromWorker::InstallOutput { .. }
            | FromWorker::AskOutputFile { .. }
            | FromWorker::Wrote { .. }
            | FromWorker::Want { .. } => {}
        }
    }

    fn request(&mut self, request: Request, reply: ReplyId, found: StoredContext, out: &mut Decision) {
        let answer = match request {
            Request::CreateActivity { new, registration } => self.create_activity(new, registration, found.sha256, out),
            Request::DeleteActivity { name } => self.delete_activity(&name, out),
            Request::Submit(new) => {
                // Answered after planning, which tells whether the fleet grew because of it.
                match self.submit(new, found, out) {
                    Ok(submitted) => return out.submits.push((reply, submitted)),
                    Err(error) => Err(error),
                }
            }
            Request::SubmitMany { activity, revision, inputs, .. } if inputs.is_empty() => {
                self.open_revision(&activity, revision).map(|_| Reply::SubmittedMany(0..0))
            }
            Request::SubmitMany { activity, revision, inputs, idempotency_key } => {
                self.submit_many((&activity, revision), inputs, idempotency_key, found, out)
            }
            Request::Terminate(id, hurry) => self.terminate(id, hurry, found.execution, out),
            Request::Retry(id, revision, key) => match self.retry(id, revision, key, found, out) {
                Ok(submitted) => return out.submits.push((reply, submitted)),
                Err(error) => Err(error),
            },
            Request::Retrieve(id) => self.retrieve(id, found.execution, out),
            Request::DrainWorker(id) => self.drain_worker(id, out),
            Request::CreatePolicy { name, rules } => self.create_policy(&name, rules, out),
            Request::PutPolicy { name, rules } => self.put_policy(&name, rules, out),
            Request::ApplyPolicy { name } => self.apply_policy(&name, out),
            Request::DeletePolicy { name } => self.delete_policy(&name, out),
            Request::OnTerms(terms, request) => return self.on_terms(terms, *request, reply, found, out),
            Request::Note { note, .. } => Ok(Reply::Noted(note)),
            Request::Conclude { key, note, .. } => {
                let (key, request_hash) = (key.into(), found.request_hash);
                out.change(Change::PutNote { key, request_hash, note: note.clone() });
                Ok(Reply::Noted(note))
            }
            read => self.view(read, found),
        };
        out.replies.push((reply, answer));
    }
}

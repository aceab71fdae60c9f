//! Requests on terms: what was done before is not done again, and what was changed meanwhile is not overwritten.

use super::super::{
    decision::{Decision, ReplyId},
    state::State,
};
use crate::{
    api::{ActivityView, Expected, PodError, Put, Reply, Request, Terms},
    domain::{ActivityId, Execution, NewActivity, Policy},
    plan::step::StoredContext,
    store::{Change, Note},
};

impl State {
    pub(super) fn on_terms(
        &mut self,
        Terms { key, expected }: Terms,
        request: Request,
        reply: ReplyId,
        found: StoredContext,
        out: &mut Decision,
    ) {
        if let (Some(key), Some((record, _))) = (&key, &found.idempotency) {
            let answer = match &record.note {
                Some(note) if record.request_hash == found.request_hash => self.noted(note, found.execution),
                _ => Err(PodError::IdempotencyConflict(key.clone())),
            };
            return out.replies.push((reply, answer));
        }
        if let Some(expected) = expected
            && let Err(changed) = self.compare(&expected, &request)
        {
            return out.replies.push((reply, Err(changed)));
        }
        let (request_hash, before) = (found.request_hash, out.replies.len());
        self.request(request, reply, found, out);
        let note = match out.replies.get(before) {
            Some((_, Ok(done))) => note_of(done),
            _ => None,
        };
        if let (Some(key), Some(note)) = (key, note) {
            out.change(Change::PutNote { key: key.into(), request_hash, note });
        }
    }

    /// What is answered to a request that was carried out before.
    fn noted(&self, note: &Note, execution: Option<Execution>) -> Result<Reply, PodError> {
        let activity = |id: &ActivityId, name: &String| -> Result<Box<ActivityView>, PodError> {
            let there = self.activities.get(id).ok_or_else(|| PodError::NoSuchActivity(name.clone()))?;
            Ok(Box::new(self.activity_view(there)))
        };
        match note {
            Note::Registered { activity: id, name, revision } => Ok(Reply::Registered(activity(id, name)?, *revision)),
            Note::Removed { activity: id, name } => Ok(Reply::Activity(activity(id, name)?)),
            Note::Policy { policy, made } => {
                Ok(Reply::Policy(policy.clone(), if *made { Put::Made } else { Put::Changed }))
            }
            Note::Execution(id) => {
                let held = self.held.get(id).map(|held| held.execution.clone());
                Ok(Reply::Execution(Box::new(held.or(execution).ok_or(PodError::NoSuchExecution(*id))?)))
            }
            Note::Worker(id) => {
                let worker = self.workers.get(id).ok_or(PodError::NoSuchWorker(*id))?;
                Ok(Reply::Worker(Box::new(self.worker_view(worker))))
            }
            Note::Found { .. } | Note::Done { .. } => Ok(Reply::Noted(note.clone())),
        }
    }

    /// Refuses a change of what is not as it was expected to be.
    fn compare(&self, expected: &Expected, request: &Request) -> Result<(), PodError> {
        let (what, name, there) = match request {
            Request::CreateActivity { new: NewActivity { name, .. }, .. } | Request::DeleteActivity { name } => {
                let there = self.activity_named(name).map(|id| self.activities[&id].version());
                ("activity", name, there)
            }
            Request::CreatePolicy { name, .. }
            | Request::PutPolicy { name, .. }
            | Request::ApplyPolicy { name }
            | Request::DeletePolicy { name } => {
                let policy = self.policies.values().find(|policy| policy.name.as_str() == name);
                ("policy", name, policy.map(Policy::version))
            }
            // Nothing else has versions.
            _ => return Ok(()),
        };
        if expected.is_met(there.as_deref()) {
            return Ok(());
        }
        let why = match (expected, &there) {
            (Expected::Absent, _) => "is there already, and was only to be made; choose another name, or change it",
            (_, None) => "isn't there, and was only to be changed",
            (_, Some(_)) => "is not what the change was made from; look at how it is now, and make the change anew",
        };
        Err(PodError::NotAsExpected { what, name: name.clone(), why })
    }
}

/// What is to be remembered of an answer.
fn note_of(reply: &Reply) -> Option<Note> {
    match reply {
        Reply::Registered(view, revision) => Some(Note::Registered {
            activity: view.activity.id,
            name: view.activity.name.to_string(),
            revision: *revision,
        }),
        Reply::Activity(view) => {
            Some(Note::Removed { activity: view.activity.id, name: view.activity.name.to_string() })
        }
        Reply::Policy(policy, put) => Some(Note::Policy { policy: policy.clone(), made: *put == Put::Made }),
        Reply::Execution(execution) => Some(Note::Execution(execution.id)),
        Reply::Worker(view) => Some(Note::Worker(view.worker.id)),
        Reply::Noted(note) => Some(note.clone()),
        _ => None,
    }
}

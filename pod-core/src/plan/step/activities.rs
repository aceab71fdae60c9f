//! Requests about activities, their revisions, and what was fetched of them.

use std::sync::Arc;

use super::super::{activity::ActivityState, decision::Decision, revision::RevisionState, state::State};
use crate::{
    api::{PodError, Registration, Reply},
    domain::{
        Activity, ActivityId, ActivityName, ActivitySettings, ActivitySource, ActivityStatus, EventDetail, EventKind,
        Isolation, Network, NewActivity, Payload, Revision, RevisionNo, RevisionPurpose, RevisionStatus, ScriptSource,
        Transitions,
    },
    store::{ActivityCounters, Change},
};

type Answer = Result<Reply, PodError>;

impl State {
    pub(super) fn create_activity(
        &mut self,
        new: NewActivity,
        registration: Registration,
        sha256: Option<String>,
        out: &mut Decision,
    ) -> Answer {
        let name = ActivityName::new(&new.name)?;
        check_settings(&new.settings)?;
        self.check_isolation(&new.settings)?;
        let (source, payload) = self.content(new.content)?;
        let sha256: Option<Arc<str>> = sha256.map(Arc::from);
        let id = match self.by_name.get(&name) {
            Some(id) if self.activities[id].activity.status == ActivityStatus::Uninstalling => {
                return Err(self.being_removed(*id, new.name));
            }
            Some(_) if registration == Registration::Create => return Err(PodError::ActivityExists(new.name)),
            Some(id) => {
                let existing = &self.activities[id];
                // A URL is fetched anew: what it leads to may have changed.
                let same = |one: &&Revision| {
                    sha256.is_some()
                        && one.sha256 == sha256
                        && one.settings == new.settings
                        && matches!(one.status, RevisionStatus::Verifying | RevisionStatus::Approved)
                };
                let known = match registration {
                    Registration::Run => existing.all_revisions().into_iter().rev().find(same),
                    _ => existing.revision(existing.activity.latest).map(|newest| &newest.revision).filter(same),
                };
                if let Some(known) = known.map(|known| known.no) {
                    return Ok(self.registered(*id, known, registration));
                }
                *id
            }
            None => self.insert_activity(name),
        };
        let (now, wall) = (self.now, self.wall());
        let activity = self.activities.get_mut(&id).unwrap_or_else(|| unreachable!("found or inserted above"));
        let made_for_runs = |no| activity.revision(no).is_none_or(|one| one.revision.purpose == RevisionPurpose::Run);
        let purpose = match registration {
            Registration::Create | Registration::Put => RevisionPurpose::Put,
            Registration::Run if made_for_runs(activity.activity.revision) => RevisionPurpose::Run,
            Registration::Run => RevisionPurpose::Detached,
        };
        let no = activity.next_revision();
        let revision = Revision {
            activity: id,
            no,
            created_at: wall,
            source,
            settings: new.settings,
            status: RevisionStatus::Verifying,
            error: None,
            sha256,
            purpose,
        };
        activity.revisions.insert(no, RevisionState::new(revision.clone(), now));
        activity.derive();
        out.change(Change::PutActivity(activity.activity.clone()));
        out.change(Change::PutRevision(revision));
        if let Some(payload) = payload {
            out.change(Change::PutPayload { activity: id, revision: no, payload });
        }
        let event = out.event(wall, EventKind::ActivityRegistered);
        (event.activity, event.revision) = (Some(id), Some(no));
        out.counted.insert(id);
        Ok(self.registered(id, no, registration))
    }

    /// The answer to who registered a revision, or one that was there: it is kept for them.
    fn registered(&mut self, id: ActivityId, no: RevisionNo, registration: Registration) -> Reply {
        let now = self.now;
        if registration == Registration::Run
            && let Some(state) = self.activities.get_mut(&id).and_then(|activity| activity.wake(no))
        {
            state.expect_use(now);
        }
        Reply::Registered(Box::new(self.activity_view(&self.activities[&id])), no)
    }

    /// Why a name cannot be used yet: what the removal of the activity waits for.
    fn being_removed(&self, id: ActivityId, name: String) -> PodError {
        let running = self.held.values().filter(|held| held.execution.activity == id);
        let mut executions: Vec<_> = running.map(|held| held.execution.id).collect();
        executions.sort_unstable();
        PodError::BeingRemoved { name, executions }
    }

    fn check_isolation(&self, settings: &ActivitySettings) -> Result<(), PodError> {
        match settings.isolation {
            Some(wanted) if !self.can_be_made(wanted) => Err(PodError::IsolationImpossible(wanted)),
            _ if settings.network == Network::None && self.isolation(settings) != Isolation::Execution => {
                Err(PodError::NetworkNeedsIsolation)
            }
            _ => Ok(()),
        }
    }

    fn insert_activity(&mut self, name: ActivityName) -> ActivityId {
        self.ids.activity += 1;
        let id = ActivityId(self.ids.activity);
        let activity = Activity {
            id,
            name: name.clone(),
            created_at: self.wall(),
            status: ActivityStatus::Verifying,
            revision: RevisionNo(1),
            latest: RevisionNo(1),
            source: ScriptSource::Inline,
            settings: ActivitySettings::default(),
            error: None,
            sha256: None,
        };
        Arc::make_mut(&mut self.names).insert(id, name.as_str().into());
        self.by_name.insert(name, id);
        let state = ActivityState {
            activity,
            revisions: Default::default(),
            dormant: Default::default(),
            tally: ActivityCounters { activity: id, ..ActivityCounters::default() },
            running: 0,
            virtual_time: 0,
            fetching: Default::default(),
        };
        self.activities.insert(id, state);
        id
    }

    fn content(&self, content: ActivitySource) -> Result<(ScriptSource, Option<Payload>), PodError> {
        let max = self.config.limits.max_payload;
        let too_long =
            |len: usize| PodError::Invalid(format!("the content has {len} bytes and at most {max} are allowed"));
        match content {
            ActivitySource::Url(url) => Ok((ScriptSource::Url(url.into()), None)),
            ActivitySource::Script(bytes) if bytes.len() > max => Err(too_long(bytes.len())),
            ActivitySource::Archive(bytes) if bytes.len() > max => Err(too_long(bytes.len())),
            ActivitySource::Script(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => {
                Err(PodError::Invalid("the installation script is empty; it must leave a file main.sh".to_owned()))
            }
            ActivitySource::Script(bytes) => Ok((ScriptSource::Inline, Some(Payload::Script(bytes)))),
            ActivitySource::Archive(bytes) => Ok((ScriptSource::Directory, Some(Payload::Archive(bytes)))),
        }
    }

    pub(super) fn delete_activity(&mut self, name: &str, out: &mut Decision) -> Answer {
        ActivityName::new(name)?;
        let id = self.activity_named(name).ok_or_else(|| PodError::NoSuchActivity(name.to_owned()))?;
        let activity = self.activities.get_mut(&id).unwrap_or_else(|| unreachable!("named above"));
        match activity.activity.status {
            ActivityStatus::Verifying | ActivityStatus::Uninstalling => {
                return Err(PodError::NotDeletable(name.to_owned()));
            }
            ActivityStatus::Approved | ActivityStatus::Rejected => {}
        }
        activity.activity.status = ActivityStatus::Uninstalling;
        out.change(Change::PutActivity(activity.activity.clone()));
        out.event(self.wall(), EventKind::ActivityUninstalling).activity = Some(id);
        Ok(Reply::Activity(Box::new(self.activity_view(&self.activities[&id]))))
    }

    pub(super) fn fetched(
        &mut self,
        id: ActivityId,
        no: RevisionNo,
        result: Result<(Payload, String), String>,
        out: &mut Decision,
    ) {
        let Some(activity) = self.activities.get_mut(&id) else { return };
        activity.fetching.remove(&no);
        let Some(revision) = activity.revisions.get_mut(&no).map(|state| &mut state.revision) else { return };
        if revision.status != RevisionStatus::Verifying || revision.sha256.is_some() {
            return;
        }
        match result {
            Ok((payload, sha256)) => {
                revision.sha256 = Some(sha256.into());
                out.change(Change::PutRevision(revision.clone()));
                out.change(Change::PutPayload { activity: id, revision: no, payload });
                activity.derive();
            }
            Err(reason) => self.reject(id, no, reason.into(), out),
        }
    }

    /// A revision proved to work.
    pub(super) fn approve(&mut self, id: ActivityId, no: RevisionNo, out: &mut Decision) {
        self.judge(id, no, RevisionStatus::Approved, None, out);
    }

    /// A revision proved not to work.
    pub(in crate::plan) fn reject(&mut self, id: ActivityId, no: RevisionNo, reason: Arc<str>, out: &mut Decision) {
        self.judge(id, no, RevisionStatus::Rejected, Some(reason), out);
        self.end_installations((id, no), out);
    }

    fn judge(
        &mut self,
        id: ActivityId,
        no: RevisionNo,
        verdict: RevisionStatus,
        error: Option<Arc<str>>,
        out: &mut Decision,
    ) {
        let Some(activity) = self.activities.get_mut(&id) else { return };
        let Some(state) = activity.revisions.get_mut(&no) else { return };
        if state.revision.status != RevisionStatus::Verifying {
            return;
        }
        state.revision.status.move_to(verdict);
        state.revision.error.clone_from(&error);
        if verdict == RevisionStatus::Rejected {
            state.hold_until = self.now;
        }
        out.change(Change::PutRevision(state.revision.clone()));
        let before = activity.activity.revision;
        activity.derive();
        if activity.activity.revision != before {
            // Executions that name it may follow.
            activity.linger(before, self.now);
        }
        out.change(Change::PutActivity(activity.activity.clone()));
        let kind = match verdict {
            RevisionStatus::Approved => EventKind::ActivityApproved,
            _ => EventKind::ActivityRejected,
        };
        let event = out.event(self.wall(), kind);
        (event.activity, event.revision) = (Some(id), Some(no));
        event.detail = error.map(|error| EventDetail::Rejected { error });
    }
}

fn check_settings(settings: &ActivitySettings) -> Result<(), PodError> {
    let invalid = |sentence: String| Err(PodError::Invalid(sentence));
    if settings.timeout.is_some_and(|limit| limit.0 == 0) {
        return invalid("timeoutSeconds must be above 0; leave it out for no limit".to_owned());
    }
    if settings.max_concurrency == Some(0) {
        return invalid("maxConcurrency must be above 0; leave it out for no limit".to_owned());
    }
    if settings.retries > 1000 {
        return invalid(format!("retries is {} and at most 1000 are allowed", settings.retries));
    }
    for (name, value) in &settings.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return invalid(format!(
                "env: {name:?} is not a name of an environment variable, or its value holds a NUL"
            ));
        }
        if name.starts_with("POD_") {
            return invalid(format!("env: {name} is reserved; names that start with POD_ are set by POD"));
        }
    }
    Ok(())
}

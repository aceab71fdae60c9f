//! What users ask for: activities, new revisions of them, executions, and their ends.

use super::{super::machine::SERVE, Happening, Step, World, now_or_never, on_lost};
use crate::{
    api::{Hurry, Registration, Request},
    domain::{ExecutionId, Millis, NewActivity, NewExecution, RevisionNo, Settings},
    plan::{Found, Input, ReplyId, State},
    store::Store,
};

impl World {
    fn newest_revision(&self, name: &str) -> Option<RevisionNo> {
        let state = self.state.as_ref()?;
        let activity = &state.activities[&state.activity_named(name)?];
        activity.all_revisions().last().map(|revision| revision.no)
    }

    pub(super) fn client(&mut self, number: u32) -> Step {
        if self.state.is_none() {
            self.at(1000, Happening::Client(number));
            return Ok(());
        }
        let (mut sha256, mut serves) = (0, false);
        let request = if number < 3 {
            let name = format!("activity-{number}");
            let settings = Settings {
                retries: number,
                on_lost: on_lost(&name),
                max_concurrency: (number == 1).then_some(2),
                timeout: (number == 1).then_some(Millis::from_secs(20)),
                ..Settings::default()
            };
            let new = NewActivity::script(name, "echo > main.sh").settings(settings);
            let put = if number == 0 { Registration::Run } else { Registration::Put };
            Request::CreateActivity { new, registration: put }
        } else if self.faults.per_mille(60) {
            // Somebody edits a program and runs it, or puts another one into its place, while executions wait.
            sha256 = self.faults.between(1, 6);
            let name = format!("activity-{}", self.faults.between(0, 3));
            let settings = Settings { on_lost: on_lost(&name), ..Settings::default() };
            let new = NewActivity::script(name, format!("echo {sha256} > main.sh")).settings(settings);
            let registration = if self.faults.per_mille(500) { Registration::Run } else { Registration::Put };
            Request::CreateActivity { new, registration }
        } else if self.faults.per_mille(100) {
            Request::Terminate(ExecutionId(self.faults.between(1, u64::from(number))), Hurry::Grace)
        } else {
            let name = format!("activity-{}", self.faults.between(0, 3));
            let newest = self.newest_revision(&name);
            serves = self.faults.per_mille(40);
            let mut new = NewExecution::of(&name).input(if serves { SERVE.to_owned() } else { number.to_string() });
            if let Some(newest) = newest.filter(|_| self.faults.per_mille(300)) {
                new = new
                    .revision(RevisionNo(u32::try_from(self.faults.between(1, u64::from(newest.0) + 1)).unwrap_or(1)));
            }
            Request::Submit(new)
        };
        let mut found = Found { sha256: Some(format!("{sha256:064}")), ..Found::default() };
        if let Request::Terminate(id, _) = request {
            found.execution = now_or_never(self.store.execution(id)).map_err(|error| error.to_string())?;
        }
        self.note(&("client", &request));
        let before = self.checker.newest();
        self.manager(vec![Input::Request { request, reply: ReplyId(u64::from(number)), found: Box::new(found) }])?;
        if let Some(newest) = self.checker.newest().filter(|newest| serves && Some(*newest) != before) {
            let after = self.faults.between(100, 20_000).cast_signed();
            self.at(after, Happening::EndServer(newest));
        }
        // Whoever registers an activity asks again where that was refused.
        let is_missing = |state: &State| state.activity_named(&format!("activity-{number}")).is_none();
        if number < 3 && self.state.as_ref().is_none_or(is_missing) {
            self.at(1000, Happening::Client(number));
        }
        Ok(())
    }

    /// Ends a program that does not end by itself, and asks again until it has.
    pub(super) fn end_server(&mut self, id: ExecutionId) -> Step {
        let execution = now_or_never(self.store.execution(id)).map_err(|error| error.to_string())?;
        if execution.as_ref().is_none_or(|execution| execution.status.is_terminal()) {
            return Ok(());
        }
        let again = self.faults.between(15_000, 40_000).cast_signed();
        self.at(again, Happening::EndServer(id));
        let hurry = if self.faults.per_mille(300) { Hurry::Now } else { Hurry::Grace };
        let (request, reply) = (Request::Terminate(id, hurry), ReplyId(u64::MAX));
        self.manager(vec![Input::Request { request, reply, found: Box::new(Found { execution, ..Found::default() }) }])
    }
}

//! What users ask for: activities, new revisions of them, executions, and their ends. Operators change policies, let
//! workers go, and delete activities meanwhile.

use super::{
    super::{machine::SERVE, manager_process::News, options::Mutant, random::Random, requests::Wanted},
    SimEvent, Step, World, on_lost,
};
use crate::{
    api::{PodError, Registration, Reply, Request, TerminationMode},
    domain::{
        ActivitySettings, Execution, ExecutionId, ExecutionStatus, Isolation, Millis, NewActivity, NewExecution,
        RetryRevision, RevisionChoice, RevisionNo,
    },
    engine::hash,
    manager::{Asked, Input},
    plan::{ReplyId, StoredContext},
    store::{Batch, Change},
};

/// How many activities there are, whose numbers clients have first.
pub(super) const ACTIVITIES: u32 = 3;

impl World {
    /// The load of a run: who asks when.
    pub(super) fn schedule_load(&mut self) {
        let mut load = Random::of(self.seed, 3);
        for number in 0..self.options.executions + ACTIVITIES {
            let when =
                if number < ACTIVITIES { 10 } else { load.between(20, self.options.faults_until.unsigned_abs()) };
            self.at(when.cast_signed(), SimEvent::Client(number));
        }
        self.at(5, SimEvent::Operator);
    }

    fn any_activity(&mut self) -> String {
        format!("activity-{}", self.users.between(0, u64::from(ACTIVITIES)))
    }

    fn newest_revision(&self, name: &str) -> Option<RevisionNo> {
        let state = self.state()?;
        let activity = &state.activities[&state.activity_named(name)?];
        activity.all_revisions().last().map(|revision| revision.no)
    }

    pub(super) fn client(&mut self, number: u32) -> Step {
        let (mut sha256, some) = (0, ExecutionId(self.users.between(1, u64::from(number) + 1)));
        let request = if number < ACTIVITIES {
            let name = format!("activity-{number}");
            let settings = ActivitySettings {
                retries: number,
                on_lost: on_lost(&name),
                max_concurrency: (number == 1).then_some(2),
                timeout: (number == 1).then_some(Millis::from_secs(20)),
                isolation: (number == 1 && self.luck.both_kinds).then_some(Isolation::Execution),
                ..ActivitySettings::default()
            };
            let new = NewActivity::script(name, "echo > main.sh").settings(settings);
            let put = if number == 0 { Registration::Run } else { Registration::Put };
            Request::CreateActivity { new, registration: put }
        } else {
            match self.users.between(0, 1000) {
                // Somebody edits a program and runs it, or puts another one into its place, while executions wait.
                0..60 => {
                    sha256 = self.users.between(1, 6);
                    let name = self.any_activity();
                    let settings = ActivitySettings { on_lost: on_lost(&name), ..ActivitySettings::default() };
                    let new = NewActivity::script(name, format!("echo {sha256} > main.sh")).settings(settings);
                    let registration = if self.users.per_mille(500) { Registration::Run } else { Registration::Put };
                    Request::CreateActivity { new, registration }
                }
                60..150 => Request::Terminate(some, TerminationMode::Grace),
                150..180 => Request::Retry(some, RetryRevision::Latest, None),
                180..200 => Request::Retrieve(some),
                200..300 => Request::Explain(some),
                300..330 => Request::SubmitMany {
                    activity: self.any_activity(),
                    revision: RevisionChoice::Current,
                    inputs: (0..self.users.between(0, 6)).map(|input| Some(input.to_string())).collect(),
                    idempotency_key: None,
                },
                330..350 => Request::Overview,
                _ => Request::Submit(self.new_execution(number)),
            }
        };
        self.ask(Wanted { request, sha256: format!("{sha256:064}"), again: false })
    }

    fn new_execution(&mut self, number: u32) -> NewExecution {
        let name = self.any_activity();
        let serves = self.users.per_mille(40);
        let mut new = NewExecution::new(&name).input(if serves { SERVE.to_owned() } else { number.to_string() });
        if let Some(newest) = self.newest_revision(&name).filter(|_| self.users.per_mille(300)) {
            new = new.revision(RevisionNo(u32::try_from(self.users.between(1, u64::from(newest.0) + 1)).unwrap_or(1)));
        }
        if self.users.per_mille(300) {
            new.idempotency_key = Some(format!("key of {number}"));
        }
        new
    }

    /// Somebody asks. Where no manager runs, again later.
    pub(super) fn ask(&mut self, wanted: Wanted) -> Step {
        let Some(_) = &self.process else {
            self.at(1000, SimEvent::Ask(Box::new(wanted)));
            return Ok(());
        };
        self.note(&("client", &wanted.request));
        self.requests.asked += 1;
        let reply = ReplyId(self.requests.asked);
        let mut found = StoredContext { sha256: Some(wanted.sha256.clone()), ..StoredContext::default() };
        if let Request::Submit(new) = &wanted.request {
            found.request_hash = hash("one", &new.activity, std::slice::from_ref(&new.input));
            // Whoever does not hear soon enough asks twice.
            if new.idempotency_key.is_some() && !wanted.again && self.users.per_mille(300) {
                let again = self.users.between(1, 3000).cast_signed();
                self.at(again, SimEvent::Ask(Box::new(Wanted { again: true, ..wanted.clone() })));
            }
        }
        let mut request = wanted.request.clone();
        if let Request::Submit(new) = &mut request
            && self.options.mutant == Some(Mutant::IgnoreKeys)
        {
            new.idempotency_key = None;
        }
        self.requests.waiting.insert(reply, wanted);
        self.tell(News::Input(Input::Request(Box::new(Asked { request, reply, found: Box::new(found) }))))
    }

    /// Somebody is answered.
    pub(super) fn replied(&mut self, reply: ReplyId, answer: Result<Reply, PodError>) -> Step {
        let Some(wanted) = self.requests.waiting.remove(&reply) else { return Ok(()) };
        self.report.replies += 1;
        match answer {
            Ok(Reply::Submitted(submitted)) => {
                self.checker.told_of(submitted.id)?;
                if let Some(key) = wanted.key() {
                    let first = self.requests.keys.insert(key.to_owned(), submitted.id).unwrap_or(submitted.id);
                    // A key is kept for as long as what it stands for.
                    if first != submitted.id && !self.checker.is_deleted(first) {
                        return Err(format!("{key:?} stands for {first} and for {}", submitted.id));
                    }
                }
            }
            Ok(Reply::SubmittedMany(ids)) => {
                for id in ids {
                    self.checker.told_of(ExecutionId(id))?;
                }
            }
            Ok(Reply::Explanation(explanation)) => {
                let waits = explanation.execution.status == ExecutionStatus::Waiting;
                if waits && explanation.reasons.is_empty() {
                    return Err(format!("nobody knows why execution {} waits", explanation.execution.id));
                }
            }
            Ok(Reply::Execution(execution)) => self.checker.told_of(execution.id)?,
            Ok(_) => {}
            Err(PodError::Store(_)) if wanted.is_repeated() => self.at(1000, SimEvent::Ask(Box::new(wanted))),
            Err(_) => {}
        }
        Ok(())
    }

    /// Whoever starts a program that does not end by itself ends it.
    pub(super) fn note_servers(&mut self, batch: &Batch) {
        let serves = |execution: &Execution| execution.input.as_deref() == Some(SERVE);
        for change in &batch.changes {
            if let Change::InsertExecution(execution) = change
                && serves(execution)
            {
                let after = self.users.between(100, 20_000).cast_signed();
                self.at(after, SimEvent::EndServer(execution.id));
                self.restorations.servers.insert(execution.id);
            }
        }
    }

    /// Ends a program that does not end by itself, and asks again until it has.
    pub(super) fn end_server(&mut self, id: ExecutionId) -> Step {
        if !self.checker.is_unfinished(id) {
            return Ok(());
        }
        let again = self.users.between(15_000, 40_000).cast_signed();
        self.at(again, SimEvent::EndServer(id));
        let hurry = if self.users.per_mille(300) { TerminationMode::Now } else { TerminationMode::Grace };
        self.ask(Wanted { request: Request::Terminate(id, hurry), sha256: String::new(), again: false })
    }

    /// Operators change what there is, and in the end leave a fleet that can do everything.
    pub(super) fn operator(&mut self) -> Step {
        let rules = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(rule, value)| ((*rule).to_owned(), (*value).to_owned())).collect()
        };
        let request = match self.users.between(0, 10) {
            _ if self.quiet() => Request::ApplyPolicy { name: "default".to_owned() },
            0..3 => Request::PutPolicy {
                name: "wide".to_owned(),
                rules: match self.users.between(0, 4) {
                    0 => rules(&[("fixedWorkers", "2")]),
                    1 => rules(&[("fixedWorkers", "0")]),
                    2 => rules(&[("minWorkers", "1"), ("maxWorkers", "3"), ("maxWait", "2000")]),
                    _ => rules(&[("minWorkers", "0"), ("maxWorkers", "3"), ("terminationTime", "9000")]),
                },
            },
            3..6 => Request::ApplyPolicy { name: "wide".to_owned() },
            6 => Request::ApplyPolicy { name: "default".to_owned() },
            7 => match self.state().and_then(|state| state.workers.keys().next_back().copied()) {
                Some(worker) => Request::DrainWorker(worker),
                None => Request::Workers,
            },
            8 if self.users.per_mille(300) => {
                let number = u32::try_from(self.users.between(0, u64::from(ACTIVITIES))).unwrap_or(0);
                // Somebody misses it.
                let missed = self.users.between(500, 30_000).cast_signed();
                self.at(missed, SimEvent::Client(number));
                Request::DeleteActivity { name: format!("activity-{number}") }
            }
            _ => Request::Policies,
        };
        let next = if self.quiet() { 5_000 } else { self.users.between(1_000, 20_000).cast_signed() };
        self.at(next, SimEvent::Operator);
        if self.quiet() && self.state().is_none_or(|state| state.active_policy.0 == 0) {
            return Ok(());
        }
        self.ask(Wanted { request, sha256: String::new(), again: false })
    }
}

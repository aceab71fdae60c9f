//! Executions are bound to the revision that they were submitted with.

use super::{Harness, harness::ACTIVITY};
use crate::{
    api::{ActivityView, PodError, Registration, Reply, Request, Submitted, TerminationMode},
    domain::{
        ActivitySettings, ActivityStatus, AttemptOutcome, ExecutionId, ExecutionStatus, NewActivity, NewExecution,
        RetryRevision, RevisionNo, RevisionStatus, WorkerId,
    },
    executor::INSTALLATIONS_AT_A_TIME,
    link::{FromWorker, InstallOutcome, StartCommand},
    plan::{Effect, Input, ReplyId, StoredContext},
    store::{ExpiredExecution, KEPT_REVISIONS},
};

impl Harness {
    /// Registers content by its hash.
    fn register(&mut self, sha256: &str, registration: Registration) -> (ActivityView, u32) {
        let new = NewActivity::script("echo", format!("cp {sha256} main.sh"));
        let found = Box::new(StoredContext { sha256: Some(sha256.into()), ..StoredContext::default() });
        let request = Request::CreateActivity { new, registration };
        let reply = self.step(Input::Request { request, reply: ReplyId(1), found }).unwrap().unwrap();
        let Reply::Registered(view, no) = reply else { panic!() };
        (*view, no.0)
    }

    fn installed(&mut self, revision: u32) {
        let outcome = InstallOutcome::Installed;
        self.said(1, FromWorker::InstallEnded { activity: ACTIVITY, revision: RevisionNo(revision), outcome });
    }

    fn submit_with(&mut self, revision: u32) -> ExecutionId {
        let new = NewExecution::new("echo").revision(RevisionNo(revision));
        let Reply::Submitted(submitted) = self.ask(Request::Submit(new)) else { panic!() };
        submitted.id
    }

    fn retried(&mut self, id: ExecutionId, revision: RetryRevision) -> Result<Submitted, PodError> {
        let found = Box::new(StoredContext { execution: self.stored.get(&id).cloned(), ..StoredContext::default() });
        let request = Request::Retry(id, revision, None);
        match self.step(Input::Request { request, reply: ReplyId(1), found }).unwrap()? {
            Reply::Submitted(submitted) => Ok(*submitted),
            other => panic!("{other:?}"),
        }
    }

    /// What was ordered since this was last asked: executions with their revisions.
    fn orders(&mut self) -> Vec<(u64, u32)> {
        let order = |effect| match effect {
            Effect::Start(_, StartCommand { key, revision, .. }) => Some((key.execution.0, revision.0)),
            _ => None,
        };
        std::mem::take(&mut self.effects).into_iter().filter_map(order).collect()
    }

    fn removed(&mut self) -> Vec<u32> {
        let removed = |effect| if let Effect::Remove(_, _, no) = effect { Some(no.0) } else { None };
        std::mem::take(&mut self.effects).into_iter().filter_map(removed).collect()
    }

    fn revision(&self, no: u32) -> Option<RevisionStatus> {
        self.state.revision(ACTIVITY, RevisionNo(no)).map(|revision| revision.status)
    }

    fn current(&mut self) -> (u32, u32, ActivityStatus) {
        let Reply::Activity(view) = self.ask(Request::Activity { name: "echo".into() }) else { panic!() };
        (view.activity.revision.0, view.activity.latest.0, view.activity.status)
    }
}

/// A worker of eight slots with the first revision installed, which was registered for everyone.
fn rig() -> Harness {
    let mut rig = Harness::new(ActivitySettings::default(), 1);
    rig.submit();
    rig.connect(1, 8);
    rig.installed(1);
    rig.orders();
    rig
}

#[test]
fn what_was_submitted_before_a_revision_runs_the_one_before() {
    let mut rig = Harness::new(ActivitySettings::default(), 1);
    let first = rig.submit();
    rig.register("new", Registration::Put);
    let still_old = rig.submit();
    rig.connect(1, 8);
    rig.installed(1);
    rig.installed(2);
    let new = rig.submit();
    assert_eq!(rig.orders(), [(first.0, 1), (still_old.0, 1), (new.0, 2)]);
}

#[test]
fn an_attempt_after_a_failure_and_one_after_a_loss_run_the_same_revision() {
    let mut rig = Harness::new(ActivitySettings { retries: 1, ..ActivitySettings::default() }, 1);
    let first = rig.submit();
    rig.connect(1, 1);
    rig.installed(1);
    rig.runs(1, first);
    rig.register("new", Registration::Put);
    rig.installed(2);
    rig.orders();
    rig.ends(1, first, AttemptOutcome::Exited(1));
    rig.pass(60_000);
    assert_eq!(rig.orders(), [(first.0, 1)]);
    rig.step(Input::Gone { worker: WorkerId(1), reason: "killed".into() });
    rig.step(Input::Destroyed { worker: WorkerId(1), result: Ok(()) });
    rig.connect(2, 1);
    let outcome = InstallOutcome::Installed;
    rig.said(2, FromWorker::InstallEnded { activity: ACTIVITY, revision: RevisionNo(1), outcome });
    assert_eq!(rig.orders(), [(first.0, 1)]);
}

#[test]
fn a_run_of_an_activity_that_was_made_otherwise_changes_nothing_for_others() {
    let mut rig = rig();
    let (view, no) = rig.register("mine", Registration::Run);
    assert_eq!((no, view.activity.revision.0, view.activity.latest.0), (2, 1, 1));
    rig.installed(2);
    assert_eq!(rig.current(), (1, 1, ActivityStatus::Approved));
    let (mine, theirs) = (rig.submit_with(2), rig.submit());
    assert_eq!(rig.orders(), [(mine.0, 2), (theirs.0, 1)]);
    assert_eq!(rig.register("mine", Registration::Run).1, 2, "the same content is the same revision");
    assert_eq!(rig.register("mine", Registration::Put).1, 3, "unless it is meant for everyone");
}

#[test]
fn two_directories_of_one_name_do_not_push_each_other_out() {
    let mut rig = rig();
    rig.register("alice", Registration::Run);
    rig.installed(2);
    rig.register("bob", Registration::Run);
    rig.installed(3);
    for _ in 0..20 {
        assert_eq!((rig.register("alice", Registration::Run).1, rig.register("bob", Registration::Run).1), (2, 3));
        let (alice, bob) = (rig.submit_with(2), rig.submit_with(3));
        assert_eq!(rig.orders(), [(alice.0, 2), (bob.0, 3)]);
        for id in [alice, bob] {
            rig.runs(1, id);
            rig.ends(1, id, AttemptOutcome::Exited(0));
        }
        rig.pass(1000);
        assert!(rig.removed().is_empty(), "neither is installed anew");
    }
}

#[test]
fn a_revision_stays_as_long_as_an_execution_names_it() {
    let mut rig = rig();
    rig.register("mine", Registration::Run);
    rig.installed(2);
    let id = rig.submit_with(2);
    rig.runs(1, id);
    rig.ends(1, id, AttemptOutcome::Exited(1));
    rig.pass(3_600_000);
    assert_eq!(rig.removed(), [2], "nothing of it is unfinished");
    rig.said(1, FromWorker::Removed { activity: ACTIVITY, revision: RevisionNo(2) });
    rig.pass(1000);
    assert_eq!(rig.revision(2), Some(RevisionStatus::Approved), "it is kept all the same");
    // Others come and go meanwhile.
    for no in 3..=u32::try_from(KEPT_REVISIONS).unwrap() + 5 {
        rig.register(&format!("edit {no}"), Registration::Put);
        rig.installed(no);
    }
    let again = rig.retried(id, RetryRevision::Same).unwrap();
    rig.installed(2);
    assert_eq!(rig.orders().last(), Some(&(again.id.0, 2)));
    let latest = rig.retried(id, RetryRevision::Latest).unwrap();
    assert!(rig.orders().last().is_some_and(|order| order.0 == latest.id.0 && order.1 > 10));
    for execution in [again.id, latest.id] {
        rig.runs(1, execution);
        rig.ends(1, execution, AttemptOutcome::Exited(0));
    }
    let expired = |id: ExecutionId, status| ExpiredExecution {
        id,
        activity: ACTIVITY,
        revision: RevisionNo(2),
        status,
        attempts: crate::domain::AttemptNo(1),
    };
    rig.step(Input::Expired(vec![expired(id, ExecutionStatus::Failed), expired(again.id, ExecutionStatus::Finished)]));
    rig.pass(3_600_000);
    rig.said(1, FromWorker::Removed { activity: ACTIVITY, revision: RevisionNo(2) });
    rig.pass(1000);
    assert_eq!(rig.revision(2), None, "with the last execution that names it, it goes");
    assert!(matches!(rig.retried(id, RetryRevision::Same), Err(PodError::RevisionGone(_))));
}

#[test]
fn a_revision_that_hangs_holds_up_no_execution_of_another_one() {
    let mut rig = rig();
    rig.register("hangs", Registration::Put);
    let theirs = rig.submit();
    assert_eq!(rig.orders(), [(theirs.0, 1)]);
    // Nor any installation, until as many hang as there may be at a time.
    for more in 3..=INSTALLATIONS_AT_A_TIME as u32 + 1 {
        rig.register(&format!("number {more}"), Registration::Run);
        let mine = rig.submit_with(more);
        assert!(rig.sentences(mine).join(" ").contains("is being installed on worker 1"), "{more}");
    }
    let last = INSTALLATIONS_AT_A_TIME as u32 + 2;
    rig.register("also new", Registration::Run);
    let mine = rig.submit_with(last);
    let said = rig.sentences(mine).join(" ");
    assert!(said.contains("Worker 1 installs echo before it"), "{said}");
    assert!(said.contains(&format!("bound to revision {last}")) && said.contains("revision 1 is current"), "{said}");
    rig.installed(3);
    assert!(rig.sentences(mine).join(" ").contains("is being installed on worker 1"));
}

#[test]
fn an_installation_that_nobody_waits_for_any_more_is_withdrawn() {
    let mut rig = rig();
    rig.register("hangs", Registration::Run);
    let (mine, too) = (rig.submit_with(2), rig.submit_with(2));
    rig.ask(Request::Terminate(mine, TerminationMode::Grace));
    assert_eq!(rig.revision(2), Some(RevisionStatus::Verifying), "another one waits for it");
    rig.ask(Request::Terminate(too, TerminationMode::Grace));
    assert_eq!((rig.revision(2), rig.removed()), (Some(RevisionStatus::Rejected), vec![2]));
    assert_eq!(rig.current(), (1, 1, ActivityStatus::Approved));
    assert_eq!(rig.register("hangs", Registration::Run).1, 3, "it is tried again when it is run again");
}

#[test]
fn the_only_revision_of_an_activity_is_withdrawn_as_well() {
    let mut rig = rig();
    let new = NewActivity::script("hang", "sleep 1000");
    let found = Box::new(StoredContext { sha256: Some("hang".into()), ..StoredContext::default() });
    let request = Request::CreateActivity { new, registration: Registration::Run };
    rig.step(Input::Request { request, reply: ReplyId(1), found }).unwrap().unwrap();
    let Reply::Submitted(submitted) = rig.ask(Request::Submit(NewExecution::new("hang"))) else { panic!() };
    rig.effects.clear();
    rig.ask(Request::Terminate(submitted.id, TerminationMode::Grace));
    assert_eq!(rig.removed(), [1], "its script ends");
}

#[test]
fn what_everyone_is_to_run_is_installed_though_an_execution_of_it_is_terminated() {
    let mut rig =
        Harness::with(ActivitySettings::default(), RevisionStatus::Verifying, Some("ab".into()), 1, Default::default());
    let id = rig.submit();
    rig.connect(1, 1);
    rig.ask(Request::Terminate(id, TerminationMode::Grace));
    rig.pass(1000);
    assert_eq!(rig.revision(1), Some(RevisionStatus::Verifying));
}

#[test]
fn executions_of_a_revision_that_is_rejected_end_and_those_of_others_do_not() {
    let mut rig = rig();
    rig.register("broken", Registration::Run);
    let (mine, theirs) = (rig.submit_with(2), rig.submit());
    let outcome = InstallOutcome::Failed { message: "no such file".into(), permanent: true };
    rig.said(1, FromWorker::InstallEnded { activity: ACTIVITY, revision: RevisionNo(2), outcome });
    assert_eq!(rig.stored[&mine].status, ExecutionStatus::Failed);
    assert_eq!(rig.stored[&theirs].status, ExecutionStatus::Running);
    let refused = rig.try_ask(Request::Submit(NewExecution::new("echo").revision(RevisionNo(2))));
    assert!(matches!(refused, Err(PodError::RevisionRejected { .. })));
    let unknown = rig.try_ask(Request::Submit(NewExecution::new("echo").revision(RevisionNo(9))));
    assert!(matches!(unknown, Err(PodError::NoSuchRevision { .. })));
}

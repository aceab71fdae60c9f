//! What the manager does around a commit, in every way in which it can end. The in-memory store answers.

mod harness;
mod lease;

use harness::{Harness, ended, hello, started, submit};

use super::{Action, Input, Query};
use crate::{
    api::{PodError, Reply, Request, TerminationMode},
    domain::{Age, ExecutionId, Millis, RevisionChoice, Timestamp, WorkerReason},
    link::{AttemptReport, FromWorker, NEWEST_VERSION, ToWorker},
    plan::Window,
    store::{Change, StoreError},
};

fn full() -> StoreError {
    StoreError::Full("no space is left".into())
}

fn away() -> StoreError {
    StoreError::Unavailable("nobody answers".into())
}

#[test]
fn nothing_shows_before_it_is_committed() {
    let mut rig = Harness::with_activity();
    let id = rig.ask(submit());
    rig.hand_in(Input::Drained);
    let Some(Action::Commit(batch)) = rig.poll() else { panic!("the round was not committed") };
    assert!(batch.changes.iter().any(|change| matches!(change, Change::InsertExecution(_))));
    assert!(rig.poll().is_none() && !rig.manager.takes_news());
    rig.commit(&batch);
    assert!(matches!(rig.poll(), Some(Action::Publish(published)) if published.touched.len() == 1));
    assert!(matches!(rig.poll(), Some(Action::Reply(reply, Ok(Reply::Submitted(_)))) if reply == id));
}

#[test]
fn what_a_caller_waits_for_is_committed_at_once_and_other_news_waits_for_company() {
    let mut rig = Harness::with_activity();
    let session = rig.connect();
    rig.settle();
    let (worker, messages) = (rig.worker_of(session), vec![FromWorker::Heartbeat]);
    rig.hand_in(Input::Said { worker, session, messages });
    rig.hand_in(Input::Drained);
    assert!(rig.poll().is_none(), "a heartbeat lingers");
    assert_eq!(rig.manager.next_deadline(), Some(rig.now + Millis(4)));
    rig.ask(submit());
    rig.hand_in(Input::Drained);
    assert!(matches!(rig.poll(), Some(Action::Commit(_))), "somebody waits");
    // A round that follows none waits for nobody.
    let mut rig = Harness::with_activity();
    let session = rig.connect();
    rig.settle();
    rig.pass(Millis(100));
    rig.hand_in(Input::Said { worker, session, messages: vec![FromWorker::Goodbye { reason: "it ends".into() }] });
    rig.hand_in(Input::Drained);
    assert!(matches!(rig.poll(), Some(Action::Commit(_))));
}

#[test]
fn a_store_that_is_away_gets_the_same_batch_again_and_nothing_is_performed_meanwhile() {
    let mut rig = Harness::with_activity();
    rig.ask(submit());
    rig.hand_in(Input::Drained);
    let Some(Action::Commit(first)) = rig.poll() else { panic!("the round was not committed") };
    let mut pauses = Vec::new();
    for _ in 0..8 {
        rig.hand_in(Input::Committed(Err(away())));
        assert!(matches!(rig.poll(), Some(Action::Trouble(Some(_)))));
        assert!(matches!(rig.poll(), Some(Action::Note(_))));
        assert!(rig.poll().is_none() && !rig.manager.takes_news());
        rig.keep_lease();
        let due = rig.manager.next_deadline().unwrap();
        pauses.push(due.since(rig.now).0);
        rig.pass(due.since(rig.now));
        rig.hand_in(Input::Tick);
        let Some(Action::Commit(again)) = rig.poll() else { panic!("it was not tried again") };
        assert_eq!((again.seq, again.changes.len()), (first.seq, first.changes.len()));
    }
    assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
    // The answer of an earlier try was lost: it was applied all the same, and is not applied again.
    rig.commit(&first);
    assert!(matches!(rig.poll(), Some(Action::Trouble(None))));
    assert!(matches!(rig.poll(), Some(Action::Publish(_))));
    assert!(matches!(rig.poll(), Some(Action::Reply(_, Ok(Reply::Submitted(_))))));
}

#[test]
fn what_a_full_store_refused_did_not_happen() {
    let mut rig = Harness::with_activity();
    let session = rig.connect();
    rig.settle();
    rig.refuse_next(full());
    rig.ask(submit());
    let seen = rig.settle();
    let refused = |action: &Action| matches!(action, Action::Reply(_, Err(PodError::Store(StoreError::Full(_)))));
    assert!(seen.iter().any(refused), "{seen:?}");
    let ends = |action: &Action| matches!(action, Action::Disconnect(ended) if *ended == session);
    assert!(seen.iter().any(ends), "its hello tells what the loaded state does not know: {seen:?}");
    assert!(seen.iter().any(|action| matches!(action, Action::Reloaded)), "{seen:?}");
    assert!(rig.manager.state().is_full());
    let waiting: u64 = rig.manager.state().activities.values().map(|activity| activity.tally.executions[0]).sum();
    assert_eq!(waiting, 0, "the submit was refused");
    // Under a new lease batches are counted from 1 again.
    rig.ask(Request::CreatePolicy { name: "later".into(), rules: Default::default() });
    rig.hand_in(Input::Drained);
    assert!(matches!(rig.poll(), Some(Action::Commit(batch)) if batch.seq == 1));
}

#[test]
fn a_manager_whose_lease_was_taken_ends() {
    let mut rig = Harness::with_activity();
    rig.refuse_next(StoreError::Fenced);
    rig.ask(submit());
    let seen = rig.settle();
    assert!(matches!(seen.last(), Some(Action::End(PodError::Store(StoreError::Fenced)))), "{seen:?}");
    assert!(!rig.manager.takes_news() && rig.manager.next_deadline().is_none());
}

#[test]
fn the_end_waits_a_few_seconds_for_a_store_that_is_away() {
    let mut rig = Harness::with_activity();
    rig.ask(submit());
    rig.hand_in(Input::Drained);
    let Some(Action::Commit(_)) = rig.poll() else { panic!("the round was not committed") };
    rig.hand_in(Input::Committed(Err(away())));
    rig.pass(Millis(1));
    rig.hand_in(Input::Close);
    let begun = rig.now;
    loop {
        let due = rig.manager.next_deadline().expect("it tries on");
        rig.pass(due.since(rig.now));
        rig.hand_in(Input::Tick);
        while let Some(action) = rig.poll() {
            match action {
                Action::Commit(_) => rig.hand_in(Input::Committed(Err(away()))),
                Action::End(reason) => {
                    assert!(matches!(reason, PodError::Store(StoreError::Unavailable(_))), "{reason}");
                    let waited = rig.now.since(begun);
                    return assert!((Millis(5000)..Millis(5200)).contains(&waited), "{waited}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn what_the_round_changed_is_committed_before_it_is_read() {
    let mut rig = Harness::with_window(Window { least: 1, per_slot: 1 });
    let inputs = vec![None; 10];
    let revision = RevisionChoice::Current;
    rig.ask(Request::SubmitMany { activity: "a".into(), revision, inputs, idempotency_key: None });
    rig.settle();
    // A state that was loaded holds the head of the queue alone.
    rig.refuse_next(StoreError::Conflict("made up".into()));
    rig.ask(Request::CreatePolicy { name: "refused".into(), rules: Default::default() });
    rig.settle();
    // That head, twice in a round.
    rig.ask(Request::Terminate(ExecutionId(1), TerminationMode::Grace));
    let Some(read @ Action::Read(Query::Rows { .. })) = rig.poll() else { panic!("its row was not read") };
    rig.answer(read);
    let again = rig.ask(Request::Terminate(ExecutionId(1), TerminationMode::Grace));
    let Some(Action::Commit(batch)) = rig.poll() else { panic!("its change was not committed") };
    assert!(rig.poll().is_none() && !rig.manager.takes_news());
    rig.commit(&batch);
    let seen = rig.settle();
    let place = |of: fn(&Action) -> bool| seen.iter().position(of).unwrap_or_else(|| panic!("{seen:?}"));
    let reads_on = place(|action| matches!(action, Action::Read(Query::Queue(_))));
    let reads = place(|action| matches!(action, Action::Read(Query::Rows { .. })));
    assert!(reads_on < reads, "a queue is not read while what the request changes is uncommitted: {seen:?}");
    assert!(seen.iter().any(|action| matches!(action, Action::Reply(reply, _) if *reply == again)), "{seen:?}");
}

#[test]
fn a_link_that_takes_no_more_is_given_up_and_others_are_not() {
    let mut rig = Harness::with_activity();
    rig.pass(Millis(100));
    let (slow, quick) = (rig.arrive(hello()), rig.arrive(hello()));
    rig.hand_in(Input::Drained);
    let mut sent = Vec::new();
    while let Some(action) = rig.poll() {
        match action {
            Action::Send(session, _) if session == slow => rig.hand_in(Input::NotSent(slow)),
            Action::Send(session, message) => sent.push((session, message)),
            Action::Disconnect(session) => assert_eq!(session, slow),
            action => rig.answer(action),
        }
    }
    assert!(matches!(&sent[0], (session, ToWorker::Welcome(_)) if *session == quick));
    assert!(sent.iter().all(|(session, _)| *session == quick), "nothing is sent on a link that was given up");
    let lost = rig.worker_of(slow);
    assert!(rig.manager.state().workers[&lost].session.is_none(), "the planner knows");
}

#[test]
fn a_revision_is_offered_after_the_welcome_and_read_only_for_who_asks() {
    let mut rig = Harness::with_activity();
    rig.pass(Millis(100));
    rig.connect();
    rig.hand_in(Input::Drained);
    let mut sent = Vec::new();
    while let Some(action) = rig.poll() {
        match action {
            Action::Send(_, message) => sent.push(message),
            action => rig.answer(action),
        }
    }
    let [ToWorker::Welcome(_), ToWorker::Offer(offer)] = &sent[..] else { panic!("{sent:?}") };
    let known = rig.manager.state().revision(offer.activity, offer.revision).unwrap();
    assert_eq!((&offer.version, &offer.env), (&known.version(), &known.settings.env));
}

#[test]
fn a_worker_of_an_old_release_ends_what_it_runs_and_goes() {
    let mut rig = Harness::with_activity();
    let session = rig.connect();
    rig.settle();
    let worker = rig.worker_of(session);
    rig.install(session);
    rig.ask(submit());
    let seen = rig.settle();
    let Some(key) = started(&seen) else { panic!("it is not started: {seen:?}") };
    // The manager is replaced by one for which the worker's version is too old.
    rig.replace_manager(|config| config.oldest_version = NEWEST_VERSION + 1);
    let attempts = vec![AttemptReport { key, started_at: Some(Timestamp(1)), ended: false }];
    let session = rig.reconnect(worker, attempts);
    rig.ask(submit());
    let seen = rig.settle();
    assert_eq!(started(&seen), None, "it gets no more work");
    let known = &rig.manager.state().workers[&worker].worker;
    assert!(matches!(known.reason, Some(WorkerReason::TooOld { .. })), "{known:?}");
    let is_shut_down =
        |seen: &[Action]| seen.iter().any(|action| matches!(action, Action::Send(_, ToWorker::Shutdown { .. })));
    assert!(!is_shut_down(&seen), "it ends what it runs: {seen:?}");
    rig.hand_in(Input::Said { worker, session, messages: vec![ended(key)] });
    let mut seen = rig.settle();
    rig.pass(Millis(1000));
    rig.hand_in(Input::Tick);
    seen.extend(rig.settle());
    assert!(is_shut_down(&seen), "{seen:?}");
}

#[test]
fn workers_that_end_with_the_manager_leave_before_the_last_round() {
    let mut rig = Harness::new(false);
    let session = rig.connect();
    rig.settle();
    let worker = rig.worker_of(session);
    rig.hand_in(Input::Close);
    assert!(matches!(rig.poll(), Some(Action::Leave)));
    // What they tell meanwhile is taken as ever.
    let messages = vec![FromWorker::Leaving { reason: "its manager ends".into() }];
    rig.hand_in(Input::Said { worker, session, messages });
    assert!(rig.settle().iter().any(|action| matches!(action, Action::Publish(_))));
    rig.hand_in(Input::WorkersLeft);
    let seen = rig.settle();
    assert!(matches!(seen.last(), Some(Action::TakeNoMore)), "no created worker is connected: {seen:?}");
    rig.ask(submit());
    rig.hand_in(Input::TookAll);
    let seen = rig.settle();
    assert!(seen.iter().any(|action| matches!(action, Action::Reply(..))), "what was accepted is answered: {seen:?}");
    assert!(matches!(seen.last(), Some(Action::End(PodError::Stopped))), "{seen:?}");
}

#[test]
fn a_round_has_a_bounded_size() {
    let mut rig = Harness::with_activity();
    let session = rig.connect();
    rig.settle();
    let worker = rig.worker_of(session);
    let messages: Vec<_> = (0..2048).map(|_| FromWorker::Heartbeat).collect();
    rig.hand_in(Input::Said { worker, session, messages });
    let closed = |action: &Action| matches!(action, Action::Publish(_) | Action::Commit(_));
    assert!(rig.poll().is_some_and(|action| closed(&action)), "nothing more goes into it");
}

#[test]
fn what_only_looks_is_answered_without_a_round_where_all_is_committed() {
    let mut rig = Harness::with_activity();
    for request in [Request::Overview, Request::Workers, Request::Activities] {
        let asked = rig.ask(request);
        assert!(matches!(rig.poll(), Some(Action::Reply(reply, Ok(_))) if reply == asked));
        assert!(rig.poll().is_none() && rig.manager.is_at_rest());
    }
    // Of what is not committed, nobody sees anything before it is.
    rig.ask(submit());
    let asked = rig.ask(Request::Overview);
    rig.hand_in(Input::Drained);
    let Some(Action::Commit(batch)) = rig.poll() else { panic!("the round was not committed") };
    assert!(rig.poll().is_none());
    rig.commit(&batch);
    let seen = rig.settle();
    assert!(seen.iter().any(|action| matches!(action, Action::Reply(reply, Ok(_)) if *reply == asked)), "{seen:?}");
}

#[test]
fn an_idle_manager_looks_at_the_clock_and_never_in_a_busy_loop() {
    let mut rig = Harness::with_activity();
    rig.settle();
    for _ in 0..10 {
        let due = rig.manager.next_deadline().unwrap();
        assert!((Millis(1)..=Millis(500)).contains(&due.since(rig.now)), "{:?}", due.since(rig.now));
        rig.pass(due.since(rig.now));
        rig.hand_in(Input::Tick);
        rig.settle();
    }
    assert_ne!(rig.now, Age(0));
}

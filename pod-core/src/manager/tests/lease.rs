//! The lease is renewed beside everything else.

use super::{
    super::{Action, Input},
    harness::{Harness, submit},
};
use crate::{
    api::PodError,
    domain::{Age, Epoch, Millis},
    store::StoreError,
};

/// A third of the ten seconds for which a lease lasts.
const THIRD: Millis = Millis(3333);

/// Lets time pass until the lease is renewed; gives its epoch.
fn until_renewal(rig: &mut Harness) -> Epoch {
    let begun = rig.now;
    while rig.now.since(begun) <= THIRD {
        rig.now = rig.manager.next_deadline().expect("the lease has an end").max(rig.now);
        rig.hand_in(Input::Tick);
        if let Some(epoch) = rig.manager.poll_renewal() {
            return epoch;
        }
        rig.settle();
    }
    panic!("the lease was not renewed within {THIRD}")
}

fn fenced() -> Result<(), StoreError> {
    Err(StoreError::Fenced)
}

fn ends_as_fenced(seen: &[Action]) {
    assert!(matches!(seen, [.., Action::End(PodError::Store(StoreError::Fenced))]), "{seen:?}");
}

#[test]
fn a_third_of_its_time_after_it_was_acquired_or_renewed_the_lease_is_renewed() {
    let mut rig = Harness::new(true);
    rig.keep_lease();
    let begun = rig.now;
    for round in 1..4 {
        let epoch = until_renewal(&mut rig);
        assert_eq!(rig.now, begun + Millis(THIRD.0 * round));
        rig.hand_in(Input::Tick);
        assert_eq!(rig.manager.poll_renewal(), None, "one at a time");
        rig.hand_in(Input::Renewed(epoch, Ok(())));
    }
}

#[test]
fn a_commit_that_takes_long_does_not_delay_it() {
    let mut rig = Harness::with_activity();
    rig.keep_lease();
    rig.ask(submit());
    rig.hand_in(Input::Drained);
    let Some(Action::Commit(batch)) = rig.poll() else { panic!("the round was not committed") };
    for _ in 0..3 {
        assert_eq!(rig.manager.next_deadline(), Some(rig.now + THIRD));
        rig.pass(THIRD);
        rig.hand_in(Input::Tick);
        let epoch = rig.manager.poll_renewal().expect("the lease is renewed");
        assert!(rig.poll().is_none(), "nothing else happens before the answer");
        rig.hand_in(Input::Renewed(epoch, Ok(())));
    }
    rig.commit(&batch);
    assert!(rig.settle().iter().any(|action| matches!(action, Action::Reply(_, Ok(_)))));
}

#[test]
fn a_round_that_is_full_is_committed_after_the_renewal_has_begun() {
    let mut rig = Harness::with_activity();
    rig.keep_lease();
    rig.ask(submit());
    rig.pass(THIRD);
    rig.hand_in(Input::Drained);
    assert!(matches!(rig.poll(), Some(Action::Renew(_))));
    assert!(matches!(rig.poll(), Some(Action::Commit(_))));
}

#[test]
fn a_store_that_is_away_is_asked_again_and_nothing_ends() {
    let mut rig = Harness::new(true);
    let mut notes = 0;
    for _ in 0..100 {
        let epoch = until_renewal(&mut rig);
        rig.hand_in(Input::Renewed(epoch, Err(StoreError::unavailable("nobody answers"))));
        notes += rig.settle().iter().filter(|action| matches!(action, Action::Note(_))).count();
    }
    assert_eq!(notes, 1, "it is told once");
    assert!(rig.manager.takes_news());
}

#[test]
fn a_manager_whose_lease_another_one_has_ends() {
    let mut rig = Harness::with_activity();
    let epoch = until_renewal(&mut rig);
    rig.hand_in(Input::Renewed(Epoch(epoch.0 - 1), fenced()));
    assert!(rig.manager.takes_news(), "that was an earlier lease");
    rig.hand_in(Input::Renewed(epoch, fenced()));
    ends_as_fenced(&rig.settle());
    assert_eq!(rig.manager.next_deadline(), None);
}

#[test]
fn a_commit_under_way_is_answered_before_that() {
    let mut rig = Harness::with_activity();
    let epoch = until_renewal(&mut rig);
    rig.ask(submit());
    rig.hand_in(Input::Drained);
    let Some(Action::Commit(batch)) = rig.poll() else { panic!("the round was not committed") };
    rig.hand_in(Input::Renewed(epoch, fenced()));
    assert!(rig.poll().is_none(), "the store may have taken it before");
    rig.commit(&batch);
    let seen = rig.settle();
    assert!(seen.iter().any(|action| matches!(action, Action::Reply(_, Ok(_)))), "{seen:?}");
    ends_as_fenced(&seen);
}

#[test]
fn an_orderly_end_gives_the_lease_back() {
    let mut rig = Harness::new(true);
    rig.hand_in(Input::Close);
    rig.settle();
    rig.hand_in(Input::TookAll);
    let seen = rig.settle();
    assert!(matches!(&seen[..], [.., Action::Release(_), Action::End(PodError::Stopped)]), "{seen:?}");
    assert!(rig.now > Age(0));
}

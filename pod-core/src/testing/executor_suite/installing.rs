//! What is installed, and what cannot be.

use super::{
    driver::TestProgram::{Exit, Greet, Unfit},
    harness::Harness,
};
use crate::domain::{AttemptOutcome, RevisionNo};

/// Removing what is not there is fine.
pub async fn what_is_installed_is_there_until_it_is_removed(rig: &Harness) {
    assert_eq!(rig.executor().installed().await.expect("a list"), []);
    let (first, second) = (rig.activity(Greet).await, rig.activity(Exit).await);
    let mut installed = rig.executor().installed().await.expect("a list");
    installed.sort_unstable();
    assert_eq!(installed, [(first, RevisionNo(1)), (second, RevisionNo(1))]);
    for _ in 0..2 {
        rig.executor().remove(first, RevisionNo(1)).await.expect("it is removed");
    }
    assert_eq!(rig.executor().installed().await.expect("a list"), [(second, RevisionNo(1))]);
    assert_eq!(rig.run(second, "0").await.end, AttemptOutcome::Exited(0));
}

/// It takes the place of the first one.
pub async fn a_second_installation_is_as_good(rig: &Harness) {
    let activity = rig.activity(Exit).await;
    rig.install_again(activity, Greet).await.expect("it is installed again");
    assert_eq!(rig.executor().installed().await.expect("a list"), [(activity, RevisionNo(1))]);
    assert_eq!(rig.run(activity, "again").await.text(), "hello again\n");
}

/// No other worker would do better, and a person is told why.
pub async fn what_cannot_be_installed_is_refused_for_good(rig: &Harness) {
    let refused = rig.try_to_install(Unfit).await.expect_err("it is refused");
    assert!(refused.permanent && !refused.message.is_empty(), "{refused:?}");
    assert_eq!(rig.executor().installed().await.expect("a list"), []);
}

/// Also what was there before.
pub async fn what_is_not_installed_does_not_start(rig: &Harness) {
    let activity = rig.activity(Greet).await;
    rig.executor().remove(activity, RevisionNo(1)).await.expect("it is removed");
    let refused = rig.executor().start(rig.request(activity, "x")).await.expect_err("it is refused");
    assert!(!refused.to_string().is_empty());
}

//! Installations and their removal.

use super::*;
use crate::executor::INSTALLATIONS_AT_A_TIME;

#[test]
fn so_many_installations_go_at_a_time_and_repeated_ones_are_answered() {
    let mut scene = Scene::welcomed(1);
    let most = INSTALLATIONS_AT_A_TIME as u64;
    scene.hear((1..=most + 2).chain(2..=3).map(|activity| install(ActivityId(activity))));
    let installed = |activity| FromWorker::InstallEnded { activity, revision: R, outcome: InstallOutcome::Installed };
    let begun = |scene: &mut Scene| -> Vec<u64> {
        let began = |effect| match effect {
            Effect::Install(request) => request.activity.0,
            other => panic!("{other:?}"),
        };
        scene.did().into_iter().map(began).collect()
    };
    assert_eq!(scene.said(), [installed(A)], "it is there already");
    assert_eq!(begun(&mut scene), Vec::from_iter(2..=most + 1));
    // Each has its own output, and makes room for another when it ends, in whatever order.
    for (activity, text) in [(2, "two\n"), (3, "three\n")] {
        scene.step(Input::InstallOutput(ActivityId(activity), R, Bytes::from_static(text.as_bytes())));
    }
    scene.step(Input::InstallEnded(ActivityId(3), R, Ok(())));
    let said = scene.said();
    let printed = |message: &FromWorker, of: u64, text: &[u8]| {
        matches!(message, FromWorker::InstallOutput { activity, restart: true, bytes, .. }
            if *activity == ActivityId(of) && bytes[..] == *text)
    };
    assert!(printed(&said[0], 3, b"three\n"), "{said:?}");
    assert_eq!(said[1], installed(ActivityId(3)));
    assert!(printed(&said[2], 2, b"two\n"), "{said:?}");
    assert_eq!(begun(&mut scene), [most + 2]);
    scene.step(Input::InstallEnded(ActivityId(3), R, Ok(())));
    assert_eq!((scene.said(), begun(&mut scene)), (vec![], vec![]), "it is told once");
    assert!(!scene.state.is_idle());
}

#[test]
fn a_failure_that_no_link_carried_is_the_answer_when_asked_again() {
    let mut scene = Scene::welcomed(1);
    scene.hear([install(ActivityId(2))]);
    let error = InstallError { message: "exit code 3".into(), permanent: true };
    scene.step(Input::InstallEnded(ActivityId(2), R, Err(error)));
    scene.step(Input::Disconnected);
    scene.did();
    scene.connect();
    scene.hear([ToWorker::Welcome(Box::new(welcome())), install(ActivityId(2))]);
    let said = scene.said();
    let failed = |message: &FromWorker| {
        matches!(message, FromWorker::InstallEnded { outcome: InstallOutcome::Failed { permanent: true, .. }, .. })
    };
    assert!(said.iter().any(failed), "{said:?}");
    assert_eq!(scene.did(), [], "it was not tried again");
    scene.hear([install(ActivityId(2))]);
    assert!(matches!(&scene.did()[..], [Effect::Install(_)]), "asked once more it is");
}

#[test]
fn a_removal_waits_for_what_runs_and_ends_what_is_being_installed() {
    let remove = |activity| ToWorker::Remove { activity, revision: R };
    let removed = |activity| FromWorker::Removed { activity, revision: R };
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1), remove(A)]);
    assert_eq!(scene.started(), [key(1)]);
    scene.exits(1);
    assert_eq!(scene.did(), [Effect::Remove(A, R)]);
    scene.step(Input::Removed(A, R));
    assert!(scene.said().contains(&removed(A)));

    scene.hear([install(A), remove(A), install(A)]);
    assert!(matches!(&scene.did()[..], [Effect::Install(_), Effect::AbortInstall(A, R)]));
    scene.step(Input::InstallAborted(A, R));
    assert_eq!(scene.did(), [Effect::Remove(A, R)]);
    scene.step(Input::Removed(A, R));
    assert_eq!(scene.said(), [removed(A)]);
    assert!(matches!(&scene.did()[..], [Effect::Install(_)]), "it was wanted again");

    scene.hear([remove(ActivityId(44))]);
    assert_eq!(scene.did(), [Effect::Remove(ActivityId(44), R)], "one that is not there is fine");
}

//! A worker that leaves, seen from its manager and from what it runs.

use super::*;

fn leave(within: u64) -> Input {
    Input::Leave { within: Duration::from_secs(within), at_once: false }
}

fn begun(scene: &mut Scene, execution: u64) {
    scene.step(Input::Run(key(execution), RunEvent::Started { at: scene.now.wall }));
}

fn ended(scene: &mut Scene, execution: u64, end: AttemptOutcome) {
    scene.step(Input::Run(key(execution), RunEvent::Ended { end, at: scene.now.wall }));
}

/// The ends that are told, in order; what else is said is passed over.
fn ends(scene: &mut Scene) -> Vec<(AttemptKey, AttemptOutcome)> {
    let ends = scene.said().into_iter().filter_map(|message| match message {
        FromWorker::Ended(report) => Some((report.key, report.end)),
        FromWorker::Recalled { key } => Some((key, AttemptOutcome::Recalled)),
        _ => None,
    });
    ends.collect()
}

fn acknowledged(scene: &mut Scene, execution: u64) {
    scene.hear([ToWorker::EndAck { key: key(execution) }]);
}

fn stops(scene: &mut Scene) -> Vec<(AttemptKey, StopMode)> {
    let stops = scene.did().into_iter().filter_map(|effect| match effect {
        Effect::Stop(key, mode) => Some((key, mode)),
        _ => None,
    });
    stops.collect()
}

fn pass(scene: &mut Scene, seconds: u64) {
    scene.now.uptime += Duration::from_secs(seconds);
    scene.step(Input::Tick);
}

#[test]
fn a_worker_that_leaves_lets_what_runs_end_gives_back_the_rest_and_takes_nothing_new() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1), order(2)]);
    begun(&mut scene, 1);
    scene.step(leave(60));
    let said = scene.said();
    assert!(said.iter().any(|message| matches!(message, FromWorker::Leaving { .. })), "{said:?}");
    assert!(said.contains(&FromWorker::Recalled { key: key(2) }), "{said:?}");
    scene.hear([order(3)]);
    assert_eq!(ends(&mut scene), [(key(3), AttemptOutcome::Recalled)]);
    assert_eq!(stops(&mut scene), []);
    ended(&mut scene, 1, AttemptOutcome::Exited(0));
    assert_eq!(ends(&mut scene), [(key(1), AttemptOutcome::Exited(0))]);
    assert!(!scene.state.has_left(scene.now), "its end is not durable yet");
    acknowledged(&mut scene, 1);
    assert!(scene.state.has_left(scene.now));
}

#[test]
fn what_has_not_ended_in_time_is_asked_to_and_ends_because_its_worker_leaves() {
    let mut scene = Scene::welcomed(3);
    scene.hear([order(1), order(2), order(3)]);
    (1..=2).for_each(|execution| begun(&mut scene, execution));
    scene.step(leave(60));
    pass(&mut scene, 59);
    assert_eq!(stops(&mut scene), []);
    pass(&mut scene, 1);
    assert_eq!(stops(&mut scene), [1, 2, 3].map(|execution| (key(execution), StopMode::Terminate)));
    ended(&mut scene, 1, AttemptOutcome::Terminated);
    ended(&mut scene, 2, AttemptOutcome::Exited(5));
    // It had no slot yet, although it was given to the executor.
    ended(&mut scene, 3, AttemptOutcome::Terminated);
    let mut told = ends(&mut scene);
    told.sort_by_key(|(key, _)| *key);
    let expected =
        [(key(1), AttemptOutcome::WorkerLeft), (key(2), AttemptOutcome::Exited(5)), (key(3), AttemptOutcome::Recalled)];
    assert_eq!(told, expected);
}

#[test]
fn what_someone_terminates_in_a_worker_that_leaves_ends_as_terminated() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1)]);
    begun(&mut scene, 1);
    scene.step(leave(0));
    scene.hear([ToWorker::Stop { key: key(1), grace: Millis::from_secs(1) }]);
    ended(&mut scene, 1, AttemptOutcome::Terminated);
    assert_eq!(ends(&mut scene), [(key(1), AttemptOutcome::Terminated)]);
}

#[test]
fn asked_again_the_shorter_time_counts_and_at_once_means_a_kill() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1)]);
    begun(&mut scene, 1);
    scene.step(leave(600));
    scene.step(leave(5));
    scene.step(leave(700));
    assert_eq!(stops(&mut scene), []);
    pass(&mut scene, 5);
    assert_eq!(stops(&mut scene), [(key(1), StopMode::Terminate)]);
    scene.step(Input::Leave { within: Duration::ZERO, at_once: true });
    assert_eq!(stops(&mut scene), [(key(1), StopMode::Kill)]);
}

#[test]
fn a_manager_that_let_a_leaving_worker_go_ends_it_as_it_should() {
    for said in
        [ToWorker::Shutdown { reason: "drained".into() }, ToWorker::Refused(Rejection::Permanent("given up".into()))]
    {
        let mut scene = Scene::welcomed(1);
        scene.hear([order(1)]);
        scene.step(leave(60));
        scene.did();
        scene.hear([said.clone()]);
        assert_eq!(scene.did(), [Effect::Exit(WorkerExit::Cancelled)], "{said:?}");
    }
}

#[test]
fn a_worker_without_a_manager_leaves_all_the_same() {
    let mut scene = Scene::welcomed(1);
    scene.hear([order(1)]);
    begun(&mut scene, 1);
    scene.step(Input::Disconnected);
    scene.step(leave(0));
    ended(&mut scene, 1, AttemptOutcome::Terminated);
    assert!(!scene.state.has_left(scene.now), "a manager may come back for the end");
    // It hears of the leaving first, and then of the end.
    scene.connect();
    scene.hear([ToWorker::Welcome(Box::new(welcome()))]);
    let said = scene.said();
    assert!(matches!(said[0], FromWorker::Leaving { .. }), "{said:?}");
    assert!(said.iter().any(|message| matches!(message, FromWorker::Ended(_))), "{said:?}");
    scene.step(Input::Disconnected);
    pass(&mut scene, 60);
    assert!(scene.state.has_left(scene.now));
}

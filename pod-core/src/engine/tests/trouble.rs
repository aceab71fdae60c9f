//! Stores that fail, and managers that take over.

use super::{
    Stage, StageWorker,
    faults::{Fault, FaultyStore},
    within,
};
use crate::{
    PodError,
    domain::{ActivitySettings, ExecutionStatus, NewActivity, NewExecution, OnLost},
    link::FromWorker,
    store::{Store as _, StoreError},
};

fn away() -> StoreError {
    StoreError::Unavailable("the disk is being changed".into())
}

async fn ready() -> (FaultyStore, Stage, StageWorker) {
    let store = FaultyStore::default();
    let (stage, worker) = Stage::over(store.clone()).await.ready().await;
    (store, stage, worker)
}

#[tokio::test]
async fn a_store_that_is_away_for_a_while_loses_nothing() {
    let (store, stage, mut worker) = ready().await;
    // The second fault hides that the batch was taken.
    store.fail([Fault::Before(away()), Fault::After(away())]);
    let id = within(stage.start()).await.unwrap();
    assert_eq!(store.faults_left(), 0);
    let key = worker.order().await.key;
    assert_eq!(key.execution, id);
    store.fail([Fault::After(away()), Fault::Before(away())]);
    worker.say([StageWorker::end(key, 0, b"kept")]).await;
    assert_eq!(within(stage.pod.wait(id)).await.unwrap().status, ExecutionStatus::Finished);
    assert_eq!(stage.pod.attempts(id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_store_refuses_new_work_and_still_takes_ends() {
    let (store, stage, mut worker) = ready().await;
    let running = stage.start().await.unwrap();
    let key = worker.order().await.key;
    store.fail([Fault::Before(StoreError::Full("no space is left".into()))]);
    let refused = within(stage.start()).await.unwrap_err();
    assert!(matches!(refused, PodError::Store(StoreError::Full(_))), "{refused}");
    let kept = store.inner.executions(crate::store::ExecutionQuery { limit: 10, ..Default::default() }).await.unwrap();
    assert_eq!(kept.len(), 1, "what was refused was not kept");
    // For a moment it is refused without asking the store again, and whoever looks can see it.
    assert!(matches!(stage.start().await, Err(PodError::Store(StoreError::Full(_)))));
    assert!(stage.pod.overview().await.unwrap().degraded_reason.is_some_and(|trouble| trouble.contains("no space")));
    // The links were given up with the state; the worker dials again and tells its end.
    while worker.try_next().await.is_ok() {}
    let mut worker = worker.redial(&stage.links, &[key]).await;
    worker.say([StageWorker::end(key, 0, b"")]).await;
    assert_eq!(within(stage.pod.wait(running)).await.unwrap().status, ExecutionStatus::Finished);
    // The store says that it has room again.
    let accepted = async { while stage.start().await.is_err() {} };
    within(accepted).await;
    assert_eq!(stage.pod.overview().await.unwrap().degraded_reason, None);
    worker.order().await;
}

#[tokio::test]
async fn a_contradiction_makes_the_engine_load_what_is_true() {
    let (store, stage, mut worker) = ready().await;
    let first = stage.start().await.unwrap();
    let key = worker.order().await.key;
    store.fail([Fault::Before(StoreError::Conflict("made up".into()))]);
    assert!(matches!(within(stage.start()).await, Err(PodError::Store(StoreError::Conflict(_)))));
    while worker.try_next().await.is_ok() {}
    let mut worker = worker.redial(&stage.links, &[key]).await;
    let second = within(stage.start()).await.unwrap();
    assert_eq!(worker.order().await.key.execution, second);
    worker.say([StageWorker::end(key, 0, b"")]).await;
    within(stage.pod.wait(first)).await.unwrap();
}

#[tokio::test]
async fn output_that_finds_no_space_comes_later_and_holds_nobody_else_up() {
    let (store, stage, mut worker) = ready().await;
    let flooding = stage.start().await.unwrap();
    let flood = worker.order().await.key;
    let quiet = stage.start().await.unwrap();
    let small = worker.order().await.key;
    // The flood finds no space; what follows it on the same link does.
    store.fail_output(1);
    worker.say([StageWorker::output(flood, 0, b"one "), StageWorker::output(flood, 4, b"two ")]).await;
    worker.say([StageWorker::end(flood, 8, b"three"), StageWorker::end(small, 0, b"small")]).await;
    assert_eq!(within(stage.pod.wait(quiet)).await.unwrap().status, ExecutionStatus::Finished);
    assert_eq!(stage.pod.execution(flooding).await.unwrap().status, ExecutionStatus::Running);
    // There is room: the link ends, so that the worker sends again what was left out.
    while worker.try_next().await.is_ok() {}
    let mut worker = worker.redial(&stage.links, &[flood]).await;
    worker.say([StageWorker::output(flood, 0, b"one two "), StageWorker::end(flood, 8, b"three")]).await;
    within(stage.pod.wait(flooding)).await.unwrap();
    for (key, printed) in [(flood, &b"one two three"[..]), (small, b"small")] {
        let stdout = crate::domain::Stream::Stdout;
        let output = stage.pod.read_output(key.execution, key.attempt, stdout, 0, 100).await.unwrap();
        assert_eq!(&output.bytes[..], printed);
    }
}

/// Its worker was asked to leave, and goes before there is room for what it printed.
#[tokio::test]
async fn what_ran_and_must_not_run_twice_is_known_although_its_end_found_no_space() {
    let (store, stage, mut worker) = ready().await;
    let once = ActivitySettings { on_lost: OnLost::Fail, ..ActivitySettings::default() };
    stage.pod.create_activity(NewActivity::script("once", "cp /bin/true main.sh").settings(once)).await.unwrap();
    worker.install().await;
    let id = stage.pod.start(NewExecution::new("once")).await.unwrap();
    let key = worker.order().await.key;
    store.fail_output(usize::MAX);
    worker.say([StageWorker::end(key, 0, b"done")]).await;
    worker.say([FromWorker::Goodbye { reason: "its machine shuts down".to_owned() }]).await;
    let ended = within(stage.pod.wait(id)).await.unwrap();
    assert_eq!((ended.status, ended.attempt), (ExecutionStatus::Failed, key.attempt));
}

#[tokio::test]
async fn a_manager_whose_store_was_taken_over_ends() {
    let (store, stage, mut worker) = ready().await;
    let waiting = tokio::spawn({
        let (pod, id) = (stage.pod.clone(), stage.start().await.unwrap());
        async move { pod.wait(id).await }
    });
    let key = worker.order().await.key;
    let second = Stage::over(store.clone()).await;
    let refused = within(stage.start()).await.unwrap_err();
    assert!(matches!(refused, PodError::Store(StoreError::Fenced)), "{refused}");
    assert!(matches!(within(stage.pod.stopped()).await, PodError::Store(StoreError::Fenced)));
    assert!(matches!(within(waiting).await.unwrap(), Err(PodError::Store(StoreError::Fenced))));
    // The worker finds the new manager, with what it runs.
    while worker.try_next().await.is_ok() {}
    let mut worker = worker.redial(&second.links, &[key]).await;
    worker.say([StageWorker::end(key, 0, b"")]).await;
    let ended = within(second.pod.wait(key.execution)).await.unwrap();
    assert_eq!((ended.status, ended.attempt), (ExecutionStatus::Finished, key.attempt));
    assert!(second.pod.start(NewExecution::new("a")).await.unwrap() > key.execution);
}

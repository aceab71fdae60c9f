//! What callers of the handle get to see.

use super::{Stage, StageWorker, within};
use crate::{
    MAX_BATCH, Pod, PodError,
    domain::{ExecutionStatus, NewActivity, NewExecution, Outcome},
    link::{NEWEST_VERSION, Rejection, ToWorker},
    store::MemoryStore,
};

#[tokio::test]
async fn an_execution_is_started_runs_and_is_waited_for() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.pod.start(NewExecution::new("a").input("cat.png")).await.unwrap();
    let order = worker.order().await;
    assert_eq!((order.key.execution, order.input.as_deref()), (id, Some("cat.png")));
    let waiting = tokio::spawn({
        let pod = stage.pod.clone();
        async move { pod.wait(id).await }
    });
    worker.say([StageWorker::end(order.key, 0, b"done\n")]).await;
    let ended = within(waiting).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.outcome), (ExecutionStatus::Finished, Some(Outcome::Exited(0))));
    let output = stage.pod.read_output(id, order.key.attempt, crate::domain::Stream::Stdout, 0, 100).await.unwrap();
    assert_eq!(&output.bytes[..], b"done\n");
    while worker.next().await != (ToWorker::EndAck { key: order.key }) {}
    assert!(stage.pod.engine().shared.topics.is_empty(), "who waited is remembered");
}

#[tokio::test]
async fn what_was_counted_is_there_after_a_stop() {
    let store = MemoryStore::new();
    let (stage, mut worker) = Stage::over(store.clone()).await.ready().await;
    let id = stage.start().await.unwrap();
    let key = worker.order().await.key;
    worker.say([StageWorker::end(key, 0, b"")]).await;
    within(stage.pod.wait(id)).await.unwrap();
    let before = stage.pod.overview().await.unwrap();
    assert_eq!((before.ended_last_24h, before.waits.len()), ([1, 0, 0, 0], 1));
    within(stage.pod.shutdown()).await;
    let stage = Stage::over(store).await;
    let after = stage.pod.overview().await.unwrap();
    assert_eq!((after.ended_last_24h, after.waits), (before.ended_last_24h, before.waits));
    let (before, after) = (before.counts, stage.pod.activity("a").await.unwrap());
    assert_eq!((after.counts, after.recent_durations.len()), (before, 1));
}

#[tokio::test]
async fn of_two_who_retrieve_a_result_one_gets_it() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.start().await.unwrap();
    assert!(matches!(stage.pod.take_result(id).await, Err(PodError::NotEnded(_))));
    let key = worker.order().await.key;
    worker.say([StageWorker::end(key, 0, b"")]).await;
    within(stage.pod.wait(id)).await.unwrap();
    let (a, b) = tokio::join!(stage.pod.take_result(id), stage.pod.take_result(id));
    let refused = match (a, b) {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
        both => panic!("{both:?}"),
    };
    assert!(matches!(refused, PodError::AlreadyRetrieved(_)), "{refused}");
}

#[tokio::test]
async fn an_idempotency_key_makes_a_request_repeatable() {
    let (stage, _worker) = Stage::new().await.ready().await;
    let new = |input: &str| NewExecution::new("a").input(input).idempotency_key("k");
    let (a, b) = tokio::join!(stage.pod.submit(new("x")), stage.pod.submit(new("x")));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.id, b.id);
    assert_ne!(a.deduplicated, b.deduplicated, "one of them made it");
    assert!(matches!(stage.pod.submit(new("y")).await, Err(PodError::IdempotencyConflict(_))));

    let inputs = vec![Some("1".to_owned()), None];
    let many = |inputs| stage.pod.start_many("a", inputs, Some("many".to_owned()));
    let first = many(inputs.clone()).await.unwrap();
    assert_eq!(many(inputs).await.unwrap(), first);
    let refused = many(vec![None; MAX_BATCH + 1]).await.unwrap_err().to_string();
    assert!(refused.contains("at most 100000 are taken"), "{refused}");
    assert!(matches!(many(vec![None]).await, Err(PodError::IdempotencyConflict(_))));
}

#[tokio::test]
async fn a_long_queue_is_read_on_in_the_store_until_it_is_empty() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    const MANY: usize = 3000;
    let ids = stage.pod.start_many("a", vec![None; MANY], None).await.unwrap();
    let mut order = Vec::new();
    while order.len() < MANY {
        let key = worker.order().await.key;
        order.push(key.execution);
        worker.say([StageWorker::end(key, 0, b"")]).await;
    }
    assert_eq!(order, ids, "by age, each once");
    within(stage.pod.wait(ids[MANY - 1])).await.unwrap();
}

#[tokio::test]
async fn termination_is_told_to_the_worker_and_durable_when_it_returns() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.start().await.unwrap();
    let key = worker.order().await.key;
    assert!(stage.pod.request_termination(id).await.unwrap().cancel_requested);
    assert!(stage.pod.execution(id).await.unwrap().cancel_requested);
    while !matches!(worker.next().await, ToWorker::Stop { key: stopped, .. } if stopped == key) {}
    worker.say([StageWorker::end(key, 0, b"")]).await;
    within(stage.pod.wait(id)).await.unwrap();
    assert!(matches!(stage.pod.request_termination(id).await, Err(PodError::AlreadyEnded(_))));
}

#[tokio::test]
async fn a_worker_that_is_not_understood_keeps_what_it_runs() {
    let stage = Stage::new().await;
    let mut hello = StageWorker::stranger();
    (hello.protocol, hello.newest) = (NEWEST_VERSION + 1, NEWEST_VERSION + 2);
    let mut worker = StageWorker::knock(&stage.links, hello).await;
    let answer = worker.next().await;
    assert!(matches!(&answer, ToWorker::Refused(Rejection::Transient(why)) if why.contains("version")), "{answer:?}");
    assert!(worker.try_next().await.is_err(), "the link ends");
}

#[tokio::test]
async fn what_was_accepted_before_the_end_is_durable() {
    let store = MemoryStore::new();
    let stage = Stage::over(store.clone()).await;
    stage.pod.create_activity(NewActivity::script("a", "cp /bin/true main.sh")).await.unwrap();
    let submits: Vec<_> = (0..200)
        .map(|_| {
            let pod = stage.pod.clone();
            tokio::spawn(async move { pod.start(NewExecution::new("a")).await })
        })
        .collect();
    tokio::task::yield_now().await;
    within(stage.pod.shutdown()).await;
    let mut accepted = 0;
    for submit in submits {
        match within(submit).await.unwrap() {
            Ok(id) => {
                accepted += 1;
                assert!(crate::store::Store::execution(&store, id).await.unwrap().is_some(), "{id} is lost");
            }
            Err(error) => assert!(matches!(error, PodError::Stopped), "{error}"),
        }
    }
    assert!(matches!(stage.pod.start(NewExecution::new("a")).await, Err(PodError::Stopped)));
    let kept =
        crate::store::Store::executions(&store, crate::store::ExecutionQuery { limit: 1000, ..Default::default() });
    assert_eq!(kept.await.unwrap().len(), accepted, "what was refused was not kept");
}

#[tokio::test]
async fn the_engine_ends_with_its_last_handle() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let Stage { pod, links } = stage;
    drop(pod.clone());
    assert!(pod.overview().await.is_ok());
    drop(pod);
    while worker.try_next().await.is_ok() {}
    drop(links);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let error = Pod::builder().start().await.unwrap_err();
    assert!(error.to_string().contains("store"), "{error}");
    let error = Pod::builder().store(MemoryStore::new()).start().await.unwrap_err();
    assert!(error.to_string().contains("backend"), "{error}");
}

#[tokio::test]
async fn who_shares_the_token_cannot_say_that_it_is_another_worker() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let mut hello = worker.hello.clone();
    hello.incarnation += 1;
    let mut impostor = StageWorker::knock(&stage.links, hello).await;
    let answer = impostor.next().await;
    assert!(
        matches!(&answer, ToWorker::Refused(Rejection::Permanent(why)) if why.contains("another worker")),
        "{answer:?}"
    );
    // The true one goes on, and may come back.
    let id = stage.start().await.unwrap();
    let key = worker.order().await.key;
    let mut worker = worker.redial(&stage.links, &[key]).await;
    worker.say([StageWorker::end(key, 0, b"")]).await;
    assert!(within(stage.pod.wait(id)).await.unwrap().status.is_terminal());
}

//! Parts of others that panic: the engine says so, to everybody, in the words of the panic.

use super::{Stage, StageWorker, within};
use crate::{
    Pod, PodError,
    api::Limits,
    domain::{Age, Millis, NewExecution, RetryRevision, Rules},
    scheduler::{Assignment, DefaultScheduler, Demand, FleetMember, PlacementView, ScalingPlan, Scheduler},
    store::{ExecutionQuery, MemoryStore},
};

/// Panics as soon as there is something to place.
#[derive(Debug)]
struct Panics;

impl Scheduler for Panics {
    fn place(&self, view: &PlacementView<'_>, _: Age) -> Vec<Assignment> {
        panic!("lane {} is not to my taste", view.queues.len())
    }
    fn scale(&self, rules: &Rules, demand: &Demand, fleet: &[FleetMember], now: Age) -> ScalingPlan {
        DefaultScheduler.scale(rules, demand, fleet, now)
    }
}

fn is_the_crash(error: &PodError) -> bool {
    matches!(error, PodError::Crashed(said) if &**said == "lane 1 is not to my taste")
}

#[tokio::test]
async fn a_scheduler_that_panics_is_told_as_a_crash_and_not_as_a_shutdown() {
    let store = MemoryStore::new();
    let (stage, _worker) = Stage::over(store.clone()).await.ready().await;
    within(stage.pod.shutdown()).await;
    let stage = Stage::with(Pod::builder().store(store.clone()).scheduler(Panics)).await;
    let id = within(stage.pod.start(NewExecution::new("a"))).await.unwrap();
    let waiting = tokio::spawn({
        let pod = stage.pod.clone();
        async move { pod.wait(id).await }
    });
    // With a worker there is something to decide.
    let _worker = StageWorker::knock(&stage.links, StageWorker::stranger()).await;
    let stopped = within(stage.pod.stopped()).await;
    assert!(is_the_crash(&stopped), "{stopped}");
    assert!(is_the_crash(&within(waiting).await.unwrap().unwrap_err()));
    assert!(is_the_crash(&stage.start().await.unwrap_err()));
    within(stage.pod.shutdown()).await;
    // What was acknowledged is there, and runs under a scheduler that does not panic.
    let again = Stage::over(store).await;
    assert_eq!(again.pod.execution(id).await.unwrap().id, id);
}

#[tokio::test]
async fn limits_are_checked_before_anything_starts() {
    let wrong = Limits { worker_timeout: Millis(50), ..Limits::default() };
    let refused = Stage::try_with(Pod::builder().store(MemoryStore::new()).limits(wrong)).await.unwrap_err();
    assert!(matches!(&refused, PodError::InvalidLimit(wrong) if wrong.member == "worker_timeout"), "{refused}");
}

#[tokio::test]
async fn what_is_asked_of_nobody_is_an_error_and_not_an_empty_answer() {
    use crate::domain::{ActivityId, AttemptNo, ExecutionId, RevisionNo, Stream, WorkerId};
    let stage = Stage::new().await;
    let (pod, nobody, first) = (&stage.pod, ExecutionId(4711), AttemptNo(1));
    let missing = |error: PodError| assert!(matches!(error, PodError::NoSuchExecution(id) if id == nobody), "{error}");
    missing(pod.execution(nobody).await.unwrap_err());
    missing(pod.attempts(nobody).await.unwrap_err());
    missing(pod.read_output(nobody, first, Stream::Stdout, 0, 1).await.unwrap_err());
    missing(pod.output_summary(nobody, first).await.unwrap_err());
    missing(pod.wait(nobody).await.unwrap_err());
    missing(pod.follow(nobody).await.unwrap_err());
    missing(pod.explain(nobody).await.unwrap_err());
    missing(pod.request_termination(nobody).await.unwrap_err());
    let log = crate::store::InstallLog { worker: WorkerId(1), activity: ActivityId(4711), revision: RevisionNo(1) };
    assert!(matches!(pod.install_log(log).await, Err(PodError::NoSuchActivity(_))));
}

#[tokio::test]
async fn a_query_that_says_nothing_means_the_newest_of_all() {
    let (stage, _worker) = Stage::new().await.ready().await;
    let ids = stage.pod.start_many("a", vec![None; 130], None).await.unwrap();
    let page = stage.pod.executions(ExecutionQuery::default()).await.unwrap();
    assert_eq!(page.len(), ExecutionQuery::PAGE);
    assert_eq!(page[0].id, *ids.last().unwrap());
    let none = ExecutionQuery { limit: 0, ..ExecutionQuery::default() };
    assert!(matches!(stage.pod.executions(none.clone()).await, Err(PodError::Invalid(_))));
    assert!(matches!(stage.pod.terminate_matching(none.clone()).await, Err(PodError::Invalid(_))));
    assert!(matches!(stage.pod.retry_matching(none, RetryRevision::Same, None).await, Err(PodError::Invalid(_))));
    let (mut ended, mut before) = (0, None);
    loop {
        let portion =
            stage.pod.terminate_matching(ExecutionQuery { before, ..ExecutionQuery::default() }).await.unwrap();
        ended += portion.done.len();
        before = portion.next_cursor;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(ended, 130);
}

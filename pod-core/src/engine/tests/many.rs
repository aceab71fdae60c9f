//! What is done to many executions at once, and which ones a span of time names.

use super::Stage;
use crate::domain::RetryRevision::Same;
use crate::{
    domain::{Execution, ExecutionId, ExecutionStatus, NewActivity, Timestamp},
    store::ExecutionQuery,
};

/// With so many executions that wait for ever: there is no worker.
async fn waiting(count: usize) -> Stage {
    let stage = Stage::new().await;
    stage.pod.create_activity(NewActivity::script("a", "cp /bin/true main.sh")).await.unwrap();
    for _ in 0..count {
        stage.start().await.unwrap();
    }
    stage
}

async fn all(stage: &Stage, query: ExecutionQuery) -> Vec<Execution> {
    stage.pod.executions(ExecutionQuery { limit: 1000, ..query }).await.unwrap()
}

#[tokio::test]
async fn a_span_of_time_is_a_range_of_ids() {
    let stage = waiting(60).await;
    let everything = all(&stage, ExecutionQuery::default()).await;
    let mut moments: Vec<Timestamp> =
        everything.iter().flat_map(|row| [-1, 0, 1].map(|off| Timestamp(row.submitted_at.0 + off))).collect();
    moments.extend([Timestamp(i64::MIN), Timestamp(0), Timestamp::MAX]);
    moments.dedup();
    let bounds: Vec<Option<Timestamp>> = moments.into_iter().map(Some).chain([None]).collect();
    for from in &bounds {
        for until in &bounds {
            let mut query = ExecutionQuery::default();
            stage.pod.submitted_between(&mut query, *from, *until).await.unwrap();
            let within = |row: &&Execution| {
                from.is_none_or(|from| row.submitted_at >= from) && until.is_none_or(|until| row.submitted_at < until)
            };
            let wanted: Vec<&Execution> = everything.iter().filter(within).collect();
            assert!(all(&stage, query).await.iter().eq(wanted), "{from:?} to {until:?}");
        }
    }
}

#[tokio::test]
async fn a_span_of_time_narrows_what_was_asked_for() {
    let stage = waiting(3).await;
    let mut query =
        ExecutionQuery { after: Some(ExecutionId(2)), before: Some(ExecutionId(3)), ..ExecutionQuery::default() };
    stage.pod.submitted_between(&mut query, Some(Timestamp(0)), Some(Timestamp::MAX)).await.unwrap();
    assert_eq!((query.after, query.before), (Some(ExecutionId(2)), Some(ExecutionId(3))));
}

#[tokio::test]
async fn all_that_match_are_terminated_a_portion_at_a_time_and_once() {
    let stage = waiting(25).await;
    let query = ExecutionQuery { before: Some(ExecutionId(21)), limit: 8, ..ExecutionQuery::default() };
    let (mut before, mut portions) = (query.before, Vec::new());
    while before.is_some() {
        let portion = stage.pod.terminate_matching(ExecutionQuery { before, ..query.clone() }).await.unwrap();
        portions.push(portion.done.len());
        before = portion.next_cursor;
    }
    assert_eq!(portions, [8, 8, 4]);
    let waiting = ExecutionQuery { status: Some(ExecutionStatus::Waiting), ..ExecutionQuery::default() };
    assert_eq!(stage.pod.count_executions(waiting).await.unwrap(), 5);
    let again = stage.pod.terminate_matching(ExecutionQuery { limit: 100, ..query }).await.unwrap();
    assert_eq!((again.done.len(), again.failed), (0, 0), "there is nothing left to do");
}

#[tokio::test]
async fn all_that_match_run_again_once_for_a_key() {
    let stage = waiting(9).await;
    stage.pod.terminate_matching(ExecutionQuery { limit: 6, ..ExecutionQuery::default() }).await.unwrap();
    let query = ExecutionQuery { limit: 4, ..ExecutionQuery::default() };
    let first = stage.pod.retry_matching(query.clone(), Same, Some("k")).await.unwrap();
    assert_eq!(first.done, [10, 11, 12, 13].map(ExecutionId));
    let repeats: Vec<_> =
        all(&stage, ExecutionQuery { after: Some(ExecutionId(9)), ..ExecutionQuery::default() }).await;
    let repeats: Vec<_> = repeats.iter().rev().filter_map(|row| row.retry_of).collect();
    assert_eq!(repeats, [6, 7, 8, 9].map(ExecutionId), "in the order of their age");
    assert_eq!(stage.pod.retry_matching(query.clone(), Same, Some("k")).await.unwrap().done, first.done, "sent again");
    let last =
        stage.pod.retry_matching(ExecutionQuery { before: first.next_cursor, ..query }, Same, Some("k")).await.unwrap();
    assert_eq!((last.done.len(), last.next_cursor), (2, None));
    let other =
        stage.pod.retry_matching(ExecutionQuery { limit: 100, ..ExecutionQuery::default() }, Same, None).await.unwrap();
    assert_eq!((other.done.len(), other.failed), (6, 0), "without a key they run again and again");
}

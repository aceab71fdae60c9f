//! Pages and look-ups.

use std::sync::Arc;

use super::{
    harness::StoreHarness,
    rows::{attempt, end, ended, insert, open, running, waiting},
};
use crate::{
    domain::{
        ActivityId, Age, AttemptNo, AttemptOutcome, Execution, ExecutionId, ExecutionStatus, Millis, MinuteBucket,
        Need, Outcome, RevisionNo, ScaleReason, ScalingDecision, Timestamp, WorkerId,
    },
    store::{Change, ExecutionQuery, ExpiredExecution, IdempotencyRecord, KEPT_MINUTES, Note, SortOrder},
};

pub(super) fn decision(at: i64) -> ScalingDecision {
    let need = Need::NoWorker { waiting: 3, work: Millis(5) };
    let reason = ScaleReason::Grown { launched: 2, kept: 0, need };
    ScalingDecision { at: Timestamp(at), launch: 2, drain: vec![WorkerId(1), WorkerId(9)], reason }
}

fn of_each_kind(id: u64) -> Execution {
    let base = waiting(id, 1 + id % 3);
    let mut row = match id % 7 {
        0 | 1 => base,
        2 => running(base, 1),
        3 => ended(base, Outcome::Exited(0), 10),
        4 => ended(base, Outcome::Aborted("no".into()), 10),
        5 => ended(base, Outcome::Terminated, 10),
        _ => ended(base, Outcome::TimedOut, 10),
    };
    row.retrieved = row.status.is_terminal() && id.is_multiple_of(2);
    row
}

/// Every combination of filters, page after page, against a filter over all.
pub async fn executions_by_every_filter(rig: &mut StoreHarness) {
    let all: Vec<Execution> = (1..=120).map(of_each_kind).collect();
    rig.commit(all.iter().cloned().map(insert).collect()).await;
    let store = rig.store();
    let activities = [None, Some(ActivityId(1)), Some(ActivityId(2)), Some(ActivityId(9))];
    let statuses: Vec<Option<ExecutionStatus>> = [None].into_iter().chain(ExecutionStatus::ALL.map(Some)).collect();
    for activity in activities {
        for status in &statuses {
            for not_retrieved in [false, true] {
                for limit in [1, 7, 200] {
                    let mut query =
                        ExecutionQuery { activity, status: *status, not_retrieved, limit, ..ExecutionQuery::default() };
                    let mut found = Vec::new();
                    loop {
                        let page = store.executions(query.clone()).await.unwrap();
                        assert!(page.len() <= limit);
                        query.before = page.last().map(|row| row.id);
                        if page.is_empty() {
                            break;
                        }
                        found.extend(page);
                        if limit == 1 && found.len() > 5 {
                            break; // one by one takes long and shows nothing more
                        }
                    }
                    let mut wanted: Vec<Execution> = all
                        .iter()
                        .rev()
                        .filter(|row| activity.is_none_or(|activity| row.activity == activity))
                        .filter(|row| status.is_none_or(|status| row.status == status))
                        .filter(|row| !(not_retrieved && row.retrieved))
                        .cloned()
                        .collect();
                    wanted.truncate(if limit == 1 { found.len() } else { usize::MAX });
                    assert_eq!(found, wanted, "{query:?}");
                }
            }
        }
    }
    let none = ExecutionQuery { limit: 0, ..ExecutionQuery::default() };
    assert_eq!(store.executions(none).await.unwrap(), [], "at most none");
}

/// How many there are by every filter, whatever the limit, and those that have ended or not.
pub async fn executions_are_counted(rig: &mut StoreHarness) {
    let mut all: Vec<Execution> = (1..=120).map(of_each_kind).collect();
    all.iter_mut().filter(|row| row.id.0.is_multiple_of(4)).for_each(|row| row.input = Some("needle".into()));
    rig.commit(all.iter().cloned().map(insert).collect()).await;
    let store = rig.store();
    let statuses: Vec<Option<ExecutionStatus>> = [None].into_iter().chain(ExecutionStatus::ALL.map(Some)).collect();
    for activity in [None, Some(ActivityId(1)), Some(ActivityId(9))] {
        for status in &statuses {
            for ended in [None, Some(false), Some(true)] {
                for (before, after) in [(None, None), (Some(90), None), (None, Some(30)), (Some(90), Some(30))] {
                    for containing in [None, Some("NEEDLE".to_owned())] {
                        let (before, after) = (before.map(ExecutionId), after.map(ExecutionId));
                        let base = ExecutionQuery { activity, status: *status, ended, ..ExecutionQuery::default() };
                        let query = ExecutionQuery { before, after, containing: containing.clone(), limit: 3, ..base };
                        let matching = |row: &&Execution| {
                            activity.is_none_or(|activity| row.activity == activity)
                                && status.is_none_or(|status| row.status == status)
                                && ended.is_none_or(|ended| row.status.is_terminal() == ended)
                                && before.is_none_or(|before| row.id < before)
                                && after.is_none_or(|after| row.id > after)
                                && containing.as_deref().is_none_or(|text| mentions(row, text))
                        };
                        let wanted: Vec<&Execution> = all.iter().rev().filter(matching).collect();
                        let count = store.count_executions(query.clone()).await.unwrap();
                        assert_eq!(count, wanted.len() as u64, "{query:?}");
                        let page = store.executions(query.clone()).await.unwrap();
                        assert!(page.iter().eq(wanted.into_iter().take(3)), "{query:?}");
                    }
                }
            }
        }
    }
}

/// Bounds, worker, text and order, alone and together, against a filter over all.
pub async fn executions_between_bounds(rig: &mut StoreHarness) {
    let mut all: Vec<Execution> = (1..=60).map(of_each_kind).collect();
    for row in &mut all {
        row.input = match row.id.0 % 5 {
            0 => None,
            1 => Some("".into()),
            2 => Some(format!("https://Example.org/{}%_", row.id).into()),
            3 => Some(format!("{}needle {}", "hay ".repeat(5000), row.id).into()),
            _ => Some(format!("Ünï NEEDLE {}", row.id).into()),
        };
        row.worker = (row.status != ExecutionStatus::Waiting).then_some(WorkerId(1 + row.id.0 % 3));
    }
    rig.commit(all.iter().cloned().map(insert).collect()).await;
    let store = rig.store();
    let ids = [None, Some(0), Some(1), Some(30), Some(60), Some(99)].map(|id| id.map(ExecutionId));
    for (before, after) in ids.into_iter().flat_map(|before| ids.map(|after| (before, after))) {
        for worker in [None, Some(WorkerId(2)), Some(WorkerId(7))] {
            for containing in [None, Some(""), Some("needle"), Some("example.ORG"), Some("%"), Some("no"), Some("ü")] {
                for order in [SortOrder::Descending, SortOrder::Ascending] {
                    for (status, limit) in [(None, 100), (Some(ExecutionStatus::Failed), 100), (None, 3)] {
                        let containing = containing.map(str::to_owned);
                        let query = ExecutionQuery {
                            before,
                            after,
                            worker,
                            containing: containing.clone(),
                            order,
                            status,
                            limit,
                            ..ExecutionQuery::default()
                        };
                        let mut wanted: Vec<&Execution> = all
                            .iter()
                            .filter(|row| before.is_none_or(|before| row.id < before))
                            .filter(|row| after.is_none_or(|after| row.id > after))
                            .filter(|row| worker.is_none_or(|worker| row.worker == Some(worker)))
                            .filter(|row| status.is_none_or(|status| row.status == status))
                            .filter(|row| containing.as_deref().is_none_or(|text| mentions(row, text)))
                            .collect();
                        if order == SortOrder::Descending {
                            wanted.reverse();
                        }
                        wanted.truncate(limit);
                        let found = store.executions(query.clone()).await.unwrap();
                        assert!(found.iter().eq(wanted), "{query:?}");
                    }
                }
            }
        }
    }
}

fn mentions(row: &Execution, text: &str) -> bool {
    let reason = row.outcome.as_ref().and_then(Outcome::reason).unwrap_or_default();
    let held = [row.input.as_deref().unwrap_or_default(), &reason];
    held.iter().any(|held| held.to_ascii_lowercase().contains(&text.to_ascii_lowercase()))
}

/// The attempts of an execution tell its story, and are not mixed with those of its neighbours.
pub async fn attempts_are_oldest_first(rig: &mut StoreHarness) {
    rig.commit((1..=3).map(|id| insert(running(waiting(id, 1), 1))).collect()).await;
    for id in 1..=3 {
        for no in 1..=12 {
            rig.commit(vec![open(id, no), end(id, no, AttemptOutcome::Lost)]).await;
        }
        rig.commit(vec![open(id, 13)]).await;
    }
    let attempts = rig.store().attempts(ExecutionId(2)).await.unwrap();
    let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.key.attempt.0).collect();
    assert_eq!(numbers, (1..=13).collect::<Vec<u32>>());
    assert_eq!(attempts[12], attempt(2, 13));
    assert_eq!(attempts[3].end, Some(AttemptOutcome::Lost));
    assert_eq!(rig.store().attempts(ExecutionId(4)).await.unwrap(), []);
}

/// The same key again is answered from what it did before.
pub async fn idempotency_tells_the_request(rig: &mut StoreHarness) {
    let hash = std::array::from_fn(|at| at as u8);
    rig.commit(vec![Change::PutIdempotency { key: "batch of ten".into(), request_hash: hash, executions: 5..15 }])
        .await;
    let record = rig.store().idempotency("batch of ten").await.unwrap();
    assert_eq!(record, Some(IdempotencyRecord { request_hash: hash, executions: 5..15, note: None }));
    assert_eq!(rig.store().idempotency("batch of te").await.unwrap(), None);
}

/// So is a request that made no executions; what became of it replaces what it began with.
pub async fn notes_tell_what_a_request_did(rig: &mut StoreHarness) {
    let (found, next) = (vec![ExecutionId(3), ExecutionId(7)], Some(ExecutionId(3)));
    let done = Note::Done { ids: vec![ExecutionId(9)], refused: 1, why: Some("it \"ran\"".to_owned()), next };
    for note in [Note::Found { ids: found, next }, done] {
        let (key, request_hash) = ("all of them".into(), [7; 32]);
        rig.commit(vec![Change::PutNote { key, request_hash, note: note.clone() }]).await;
        rig.reopen().await;
        let record = rig.store().idempotency("all of them").await.unwrap();
        assert_eq!(record, Some(IdempotencyRecord { request_hash, executions: 0..0, note: Some(note) }));
    }
}

/// A follower goes on where it was, also in the middle of a batch.
pub async fn events_after_a_number(rig: &mut StoreHarness) {
    let mut all = Vec::new();
    for size in [1, 5, 2, 30] {
        all.extend(rig.tell(size).await);
    }
    let store = rig.store();
    for after in 0..=all.len() {
        for limit in [0, 1, 4, 100] {
            let wanted: Vec<_> = all[after..].iter().take(limit).cloned().collect();
            assert_eq!(store.events(after as u64, limit).await.unwrap(), wanted, "after {after}, at most {limit}");
        }
    }
    assert_eq!(store.events(u64::MAX, 5).await.unwrap(), []);
}

/// A person looks from the newest on, also from the middle of a batch.
pub async fn events_before_a_number(rig: &mut StoreHarness) {
    let mut all = Vec::new();
    for size in [1, 5, 2, 30] {
        all.extend(rig.tell(size).await);
    }
    let store = rig.store();
    for before in 0..=all.len() + 2 {
        for limit in [0, 1, 4, 100] {
            let earlier = all.iter().rev().filter(|event| event.seq < before as u64);
            let wanted: Vec<_> = earlier.take(limit).cloned().collect();
            let found = store.events_before(before as u64, limit).await.unwrap();
            assert_eq!(found, wanted, "before {before}, at most {limit}");
        }
    }
    assert_eq!(store.events_before(u64::MAX, 1).await.unwrap(), all[all.len() - 1..]);
}

/// A minute is replaced by what it has become; after a day it goes.
pub async fn minutes_are_kept_for_a_day(rig: &mut StoreHarness) {
    let minute = |minute: i64, submitted: u64| MinuteBucket { minute, submitted, ..MinuteBucket::default() };
    let mut full = minute(11, 3);
    full.ended = [1, 2, 3, 4];
    full.waits.count(Millis(17));
    let put = |minute: &MinuteBucket| Change::PutMinute(minute.clone());
    rig.commit(vec![put(&minute(10, 1)), put(&minute(11, 2))]).await;
    rig.commit(vec![put(&full)]).await;
    assert_eq!(rig.store().load().await.unwrap().minutes, [minute(10, 1), full.clone()]);
    let next_day = minute(10 + KEPT_MINUTES as i64, 5);
    rig.commit(vec![put(&next_day)]).await;
    assert_eq!(rig.store().load().await.unwrap().minutes, [full, next_day]);
}

/// The last decisions are what people look at.
pub async fn decisions_are_newest_first(rig: &mut StoreHarness) {
    rig.commit((1..=5).map(|at| Change::RecordDecision(decision(at))).collect()).await;
    rig.commit(vec![Change::RecordDecision(decision(6))]).await;
    assert_eq!(rig.store().decisions(3).await.unwrap(), [decision(6), decision(5), decision(4)]);
}

/// A span of time is that of the moments which the executions bear, in whatever order they are.
pub async fn a_span_of_time_is_told_by_the_executions_own_moments(rig: &mut StoreHarness) {
    let at = |id: u64, at: i64| insert(Execution { submitted_at: Timestamp(at), ..waiting(id, 1) });
    rig.commit(vec![at(1, 10), at(2, 900), at(3, 20), at(4, 30)]).await;
    let store = rig.store();
    for (from, until, expected) in [
        (Some(20), None, vec![4, 3, 2]),
        (Some(31), None, vec![2]),
        (None, Some(30), vec![3, 1]),
        (Some(11), Some(30), vec![3]),
        (Some(901), None, vec![]),
    ] {
        let query = ExecutionQuery {
            submitted_from: from.map(Timestamp),
            submitted_until: until.map(Timestamp),
            ..ExecutionQuery::default()
        };
        for query in [query.clone(), ExecutionQuery { status: Some(ExecutionStatus::Waiting), ..query }] {
            let found = store.executions(query.clone()).await.unwrap();
            let found: Vec<u64> = found.iter().map(|execution| execution.id.0).collect();
            assert_eq!(found, expected, "{query:?}");
            assert_eq!(store.count_executions(query).await.unwrap(), expected.len() as u64);
        }
    }
}

/// Retention works from the oldest on, by age.
pub async fn expired_are_oldest_first(rig: &mut StoreHarness) {
    let ended_at = |id: u64, at: i64| Execution {
        // Somebody set the clock.
        finished_at: Some(Timestamp(-at)),
        ..ended(running(waiting(id, 1), 2), Outcome::Exited(1), at)
    };
    rig.commit(vec![
        insert(ended_at(1, 30)),
        insert(ended_at(2, 10)),
        insert(ended_at(3, 20)),
        insert(waiting(4, 1)),
        insert(ended_at(5, 40)),
    ])
    .await;
    let store = rig.store();
    let expired = |id: u64| ExpiredExecution {
        id: ExecutionId(id),
        activity: ActivityId(1),
        revision: RevisionNo(1),
        status: ExecutionStatus::Failed,
        attempts: AttemptNo(2),
    };
    assert_eq!(store.list_expired(Age(40), 10).await.unwrap(), [expired(2), expired(3), expired(1)]);
    assert_eq!(store.list_expired(Age(40), 2).await.unwrap(), [expired(2), expired(3)]);
    assert_eq!(store.list_expired(Age(10), 2).await.unwrap(), []);
    rig.commit(vec![Change::DeleteExecutions(vec![ExecutionId(2)])]).await;
    assert_eq!(Arc::clone(&store).list_expired(Age(40), 1).await.unwrap(), [expired(3)]);
}

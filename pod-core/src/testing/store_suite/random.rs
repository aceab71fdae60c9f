//! Random batches, applied to the store under test and to the specification: every answer must be the same.

use std::sync::Arc;

use super::{
    harness::StoreHarness,
    harness::{TTL, acquire},
    rows::{activity, attempt, ended, event, installation, key, policy, revision, running, waiting, worker},
};
use crate::{
    domain::{
        ActivityId, ActivitySettings, Age, AttemptOutcome, Execution, ExecutionId, ExecutionStatus, Outcome, PolicyId,
        RevisionNo, ScriptSource, Stream, Timestamp, WorkerId,
    },
    store::{
        ActivityCounters, Change, ExecutionQuery, ExecutionUpdate, IdSequences, MemoryStore, Note, QueueCursor,
        RevisionCounters, Snapshot, Store, StoreError,
    },
    testing::output_store_suite::cases::pattern,
};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

/// What the batches are made from: the executions as they should be.
#[derive(Clone, Default)]
struct World {
    executions: Vec<Execution>,
    next: u64,
    /// The first that no key stands for.
    keyed: u64,
}

impl World {
    /// A change that makes sense most of the time. The store finds out when it does not.
    fn change(&mut self, dice: &mut Dice, changes: &mut Vec<Change>) {
        match dice.below(20) {
            0..=4 => {
                self.next += 1;
                let mut row = waiting(self.next, 1 + dice.below(3));
                row.not_before = Age(dice.below(5) as i64);
                row.submitted_at = Timestamp(dice.below(9) as i64);
                row.revision = RevisionNo(1 + dice.below(2) as u32);
                if dice.below(5) == 0 {
                    row.input = Some("long ".repeat(dice.below(900) as usize).into());
                }
                self.executions.push(row.clone());
                changes.push(Change::InsertExecution(Arc::new(row)));
            }
            5..=14 => self.advance(dice, changes),
            15 => {
                let id = ExecutionId(1 + dice.below(self.next + 1));
                if self.executions.iter().any(|row| row.id == id && row.status.is_terminal()) || dice.below(10) == 0 {
                    self.executions.retain(|row| row.id != id);
                    changes.push(Change::DeleteExecutions(vec![id]));
                }
            }
            16 => changes.push(Change::PutWorker(worker(1 + dice.below(3)))),
            17 => changes.push(match dice.below(6) {
                0 => Change::PutActivity(activity(1 + dice.below(3), ["a", "b", "c", "d"][dice.below(4) as usize])),
                1 => Change::PutRevision(revision(1 + dice.below(3), 1 + dice.below(2) as u32)),
                2 => Change::PutInstallation(installation(1 + dice.below(2), 1 + dice.below(3), 1)),
                3 => Change::DeleteActivity(ActivityId(1 + dice.below(3))),
                4 => Change::DeleteWorker(WorkerId(1 + dice.below(3))),
                _ => Change::DeleteRevision { activity: ActivityId(1), revision: RevisionNo(1) },
            }),
            18 => changes.push(match dice.below(3) {
                0 => Change::PutPolicy(policy(1 + dice.below(4), ["x", "y"][dice.below(2) as usize])),
                1 => Change::ActivatePolicy(PolicyId(dice.below(4))),
                _ => Change::DeletePolicy(PolicyId(1 + dice.below(4))),
            }),
            _ => {
                let (key, request_hash) = (format!("key {}", dice.below(300)).into(), [dice.below(255) as u8; 32]);
                // No execution belongs to two keys.
                let executions = std::mem::replace(&mut self.keyed, self.next + 1).max(1)..self.next + 1;
                changes.push(if executions.is_empty() {
                    Change::PutNote { key, request_hash, note: Note::Execution(ExecutionId(self.next)) }
                } else {
                    Change::PutIdempotency { key, request_hash, executions }
                });
            }
        }
    }

    /// Takes an execution one step on.
    fn advance(&mut self, dice: &mut Dice, changes: &mut Vec<Change>) {
        let count = self.executions.len() as u64;
        if count == 0 {
            return;
        }
        let row = &mut self.executions[dice.below(count) as usize];
        let (id, no) = (row.id.0, row.attempt.0);
        match row.status {
            ExecutionStatus::Waiting => {
                *row = running(row.clone(), no + 1);
                changes.extend([
                    Change::OpenAttempt(attempt(id, no + 1)),
                    Change::UpdateExecution(ExecutionUpdate::from(&*row)),
                ]);
            }
            ExecutionStatus::Running => {
                let (end, after) = match dice.below(5) {
                    0 => {
                        changes.push(Change::StartAttempt { key: key(id, no), started_at: Timestamp(30) });
                        return;
                    }
                    1 => {
                        let mut back = row.clone();
                        (back.status, back.lost_attempts) = (ExecutionStatus::Waiting, back.lost_attempts + 1);
                        (AttemptOutcome::Lost, back)
                    }
                    2 => {
                        let mut back = row.clone();
                        back.status = ExecutionStatus::Waiting;
                        back.attempt.0 -= 1;
                        (AttemptOutcome::Recalled, back)
                    }
                    3 => (AttemptOutcome::TimedOut, ended(row.clone(), Outcome::TimedOut, dice.below(50) as i64)),
                    _ => (AttemptOutcome::Exited(3), ended(row.clone(), Outcome::Exited(3), dice.below(50) as i64)),
                };
                *row = after;
                let started_at = (dice.below(2) == 0).then_some(Timestamp(25));
                changes.push(Change::EndAttempt { key: key(id, no), started_at, ended_at: Timestamp(60), end });
                changes.push(Change::UpdateExecution(ExecutionUpdate::from(&*row)));
            }
            _ => {
                row.retrieved = true;
                changes.push(Change::Retrieve(row.id));
            }
        }
    }
}

/// What is derived from revisions need not be stored.
fn comparable(mut snapshot: Snapshot) -> Snapshot {
    for record in &mut snapshot.activities {
        let row = &mut record.activity;
        (row.revision, row.latest, row.source) = (RevisionNo(0), RevisionNo(0), ScriptSource::Inline);
        (row.settings, row.error, row.sha256) = (ActivitySettings::default(), None, None);
    }
    snapshot
}

/// Of one of two revisions of one of three activities.
fn revision_tally(no: u64, round: u64) -> RevisionCounters {
    let (activity, revision) = (ActivityId(1 + no % 3), RevisionNo(1 + (no / 4) as u32));
    RevisionCounters { activity, revision, waiting: round, kept: round + no }
}

/// The same batches, the same answers.
pub async fn agrees_with_the_specification(rig: &mut StoreHarness) {
    let seed = std::env::var("POD_STORE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut dice = Dice(seed);
    let model = MemoryStore::with_id(rig.store().id());
    let mut world = World::default();
    let (mut taken, mut refused) = (0, 0);
    acquire(&model, "suite", TTL).await;
    for round in 0..250 {
        let mut after = world.clone();
        let mut changes = Vec::new();
        for _ in 0..1 + dice.below(if round % 10 == 0 { 120 } else { 12 }) {
            after.change(&mut dice, &mut changes);
        }
        let mut batch = rig.batch(changes);
        batch.id_sequences = IdSequences { execution: after.next, ..IdSequences::default() };
        batch.events = (0..dice.below(4)).map(|_| event(rig.next_event())).collect();
        let tally =
            |id| ActivityCounters { activity: ActivityId(id), executions: [round; 6], recent_durations: vec![5; 3] };
        batch.activity_counters = (1..=3).filter(|_| dice.below(3) == 0).map(tally).collect();
        batch.revision_counters = (1..=6).filter(|_| dice.below(3) == 0).map(|no| revision_tally(no, round)).collect();
        let mut modelled = batch.clone();
        modelled.epoch = crate::domain::Epoch(1);
        let expected = model.commit(Arc::new(modelled)).await;
        let actual = rig.store().commit(Arc::new(batch.clone())).await;
        match (&expected, &actual) {
            (Ok(()), Ok(())) => {
                taken += 1;
                world = after;
            }
            (Err(StoreError::Conflict(_)), Err(StoreError::Conflict(_))) => {
                refused += 1;
                world.next = after.next;
            }
            _ => panic!("seed {seed}, round {round}: expected {expected:?}, got {actual:?} for {:#?}", batch.changes),
        }
        print_something(&mut dice, &world, &model, &*rig.store()).await;
        compare(&mut dice, &world, &model, &*rig.store(), &format!("seed {seed}, round {round}")).await;
    }
    assert!(taken > 50 && refused > 5, "{taken} batches were taken and {refused} refused: the dice are loaded");
}

async fn print_something(dice: &mut Dice, world: &World, model: &dyn Store, store: &dyn Store) {
    for row in world.executions.iter().filter(|row| row.status == ExecutionStatus::Running).take(3) {
        let key = key(row.id.0, row.attempt.0);
        let stream = Stream::BOTH[dice.below(2) as usize];
        let known = model.output_summary(key).await.unwrap().stream(stream).len as usize;
        let from = known.saturating_sub(dice.below(20) as usize);
        let most = [30, 3000, 40_000][dice.below(3) as usize];
        let to = from + dice.below(most) as usize;
        model.append_output(key, stream, from as u64, pattern(from, to)).await.unwrap();
        store.append_output(key, stream, from as u64, pattern(from, to)).await.unwrap();
        let known = model.read_interleaving(key, 0, usize::MAX).await.unwrap().len();
        let most = [4, 20_000][dice.below(2) as usize];
        let to = known + dice.below(most) as usize;
        model.append_interleaving(key, known as u64, pattern(known, to)).await.unwrap();
        store.append_interleaving(key, known as u64, pattern(known, to)).await.unwrap();
    }
}

async fn compare(dice: &mut Dice, world: &World, model: &dyn Store, store: &dyn Store, when: &str) {
    assert_eq!(comparable(store.load().await.unwrap()), comparable(model.load().await.unwrap()), "{when}");
    let statuses = [None, Some(ExecutionStatus::ALL[dice.below(6) as usize])];
    let query = ExecutionQuery {
        activity: (dice.below(2) == 0).then(|| ActivityId(1 + dice.below(3))),
        status: statuses[dice.below(2) as usize],
        ended: [None, None, Some(true), Some(false)][dice.below(4) as usize],
        before: (dice.below(2) == 0).then(|| ExecutionId(dice.below(world.next + 2))),
        not_retrieved: dice.below(2) == 0,
        submitted_from: (dice.below(3) == 0).then(|| Timestamp(dice.below(9) as i64)),
        submitted_until: (dice.below(3) == 0).then(|| Timestamp(dice.below(9) as i64)),
        limit: dice.below(60) as usize,
        ..ExecutionQuery::default()
    };
    let page = model.executions(query.clone()).await.unwrap();
    assert_eq!(store.executions(query.clone()).await.unwrap(), page, "{when}: {query:?}");
    let count = model.count_executions(query.clone()).await.unwrap();
    assert_eq!(store.count_executions(query.clone()).await.unwrap(), count, "{when}: {query:?}");
    let (of, limit) = (ActivityId(1 + dice.below(3)), dice.below(8) as usize);
    let after = QueueCursor { not_before: Age(dice.below(5) as i64 - 1), id: ExecutionId(dice.below(world.next + 2)) };
    let due = Age(dice.below(6) as i64);
    let no = RevisionNo(1 + dice.below(2) as u32);
    let claimed = model.peek_queue(of, no, after, due, limit).await.unwrap();
    assert_eq!(
        store.peek_queue(of, no, after, due, limit).await.unwrap(),
        claimed,
        "{when}: {of}.{no} after {after:?}"
    );
    let (before, limit) = (Age(dice.below(60) as i64), dice.below(20) as usize);
    assert_eq!(
        store.list_expired(before, limit).await.unwrap(),
        model.list_expired(before, limit).await.unwrap(),
        "{when}"
    );
    let after = dice.below(400);
    assert_eq!(store.events(after, 9).await.unwrap(), model.events(after, 9).await.unwrap(), "{when}");
    let used = format!("key {}", dice.below(300));
    assert_eq!(store.idempotency(&used).await.unwrap(), model.idempotency(&used).await.unwrap(), "{when}");
    for _ in 0..3 {
        let id = ExecutionId(1 + dice.below(world.next + 1));
        assert_eq!(store.execution(id).await.unwrap(), model.execution(id).await.unwrap(), "{when}");
        let attempts = model.attempts(id).await.unwrap();
        assert_eq!(store.attempts(id).await.unwrap(), attempts, "{when}");
        for attempt in attempts {
            let (offset, limit) = (dice.below(5000), dice.below(50_000) as usize);
            let order = model.read_interleaving(attempt.key, offset, limit).await.unwrap();
            let same = store.read_interleaving(attempt.key, offset, limit).await.unwrap() == order;
            assert!(same, "{when}: the order of {}", attempt.key);
            for stream in Stream::BOTH {
                let slice = model.read_output(attempt.key, stream, offset, limit).await.unwrap();
                assert!(
                    store.read_output(attempt.key, stream, offset, limit).await.unwrap() == slice,
                    "{when}: {}",
                    attempt.key
                );
            }
        }
    }
}

//! Placement as scenarios, and as properties.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::place;
use crate::{
    domain::{ActivityId, Age, RevisionNo, WorkerId},
    scheduler::{ActivityQueue, Assignment, PlacementView, WorkerCapacity},
};

const PLENTY: u32 = u32::MAX;

fn workers(ids: impl IntoIterator<Item = u64>) -> BTreeSet<WorkerId> {
    ids.into_iter().map(WorkerId).collect()
}

fn queue(activity: u64, ready: u32, installed_on: &BTreeSet<WorkerId>) -> ActivityQueue<'_> {
    ActivityQueue {
        activity: ActivityId(activity),
        revision: RevisionNo(1),
        ready,
        concurrency_left: PLENTY,
        oldest: Age(0),
        virtual_time: 0,
        prefetch: false,
        installed_on,
    }
}

fn room(worker: u64, slots: u32, prefetch: u32) -> WorkerCapacity {
    WorkerCapacity { worker: WorkerId(worker), slots, prefetch }
}

fn given(placed: &[Assignment], activity: u64) -> usize {
    placed.iter().filter(|assignment| assignment.activity == ActivityId(activity)).count()
}

fn of_lane(placed: &[Assignment], queue: &ActivityQueue<'_>) -> usize {
    placed.iter().filter(|one| (one.activity, one.revision) == (queue.activity, queue.revision)).count()
}

fn load(placed: &[Assignment], worker: u64) -> usize {
    placed.iter().filter(|assignment| assignment.worker == WorkerId(worker)).count()
}

#[test]
fn one_execution_goes_ahead_of_a_hundred_thousand_of_another_activity() {
    let all = workers([1]);
    let big = ActivityQueue { virtual_time: 70_000, ..queue(1, 100_000, &all) };
    let small = ActivityQueue { oldest: Age(9), virtual_time: 69_999, ..queue(2, 1, &all) };
    let placed = place(&PlacementView { queues: &[big, small], capacities: &[room(1, 2, 0)] });
    assert_eq!(placed.iter().map(|assignment| assignment.activity.0).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn activities_that_were_given_equally_share_equally_and_the_older_one_begins() {
    let all = workers([1]);
    let (late, early) = (ActivityQueue { oldest: Age(5), ..queue(1, 100, &all) }, queue(2, 100, &all));
    let placed = place(&PlacementView { queues: &[late, early], capacities: &[room(1, 4, 0)] });
    assert_eq!(placed.iter().map(|assignment| assignment.activity.0).collect::<Vec<_>>(), [2, 1, 2, 1]);
}

#[test]
fn work_is_spread_over_the_workers_with_most_room() {
    let all = workers([1, 2, 3]);
    let rooms = [room(1, 1, 0), room(2, 4, 0), room(3, 2, 0)];
    let placed = place(&PlacementView { queues: &[queue(1, 4, &all)], capacities: &rooms });
    assert_eq!((load(&placed, 1), load(&placed, 2), load(&placed, 3)), (0, 3, 1));
}

#[test]
fn idle_slots_are_filled_before_anything_is_prefetched() {
    let all = workers([1, 2]);
    let rooms = [room(1, 0, 8), room(2, 3, 8)];
    let short = ActivityQueue { prefetch: true, ..queue(1, 4, &all) };
    let placed = place(&PlacementView { queues: &[short], capacities: &rooms });
    assert!(placed[..3].iter().all(|assignment| assignment.worker == WorkerId(2)), "{placed:?}");
    assert_eq!(placed.len(), 4);
}

#[test]
fn long_runs_are_not_prefetched() {
    let all = workers([1]);
    let short = ActivityQueue { prefetch: true, virtual_time: 50, ..queue(2, 3, &all) };
    let placed = place(&PlacementView { queues: &[queue(1, 2, &all), short], capacities: &[room(1, 2, 10)] });
    assert_eq!((given(&placed, 1), given(&placed, 2)), (2, 3));
}

#[test]
fn who_waits_for_an_idle_slot_is_not_starved_by_what_others_prefetch() {
    let (first, both) = (workers([1]), workers([1, 2]));
    let short = ActivityQueue { prefetch: true, ..queue(1, 100, &both) };
    let unknown = queue(2, 1, &first);
    // No slot is idle: the first worker runs dry until one is, the second goes on.
    let rooms = [room(1, 0, 10), room(2, 0, 10)];
    let placed = place(&PlacementView { queues: &[short, unknown], capacities: &rooms });
    assert_eq!((load(&placed, 1), load(&placed, 2)), (0, 10));
}

#[test]
fn max_concurrency_and_missing_installations_are_respected() {
    let (first, none) = (workers([1]), workers([]));
    let limited = ActivityQueue { concurrency_left: 3, prefetch: true, ..queue(1, 100, &first) };
    let rooms = [room(1, 2, 10), room(2, 10, 10)];
    let placed = place(&PlacementView { queues: &[limited, queue(2, 5, &none)], capacities: &rooms });
    assert_eq!((given(&placed, 1), given(&placed, 2), load(&placed, 2)), (3, 0, 0));
}

#[test]
fn an_activity_whose_workers_are_full_does_not_hold_up_another() {
    let (first, second) = (workers([1]), workers([2]));
    let rooms = [room(1, 1, 0), room(2, 3, 0)];
    let placed = place(&PlacementView { queues: &[queue(1, 10, &first), queue(2, 10, &second)], capacities: &rooms });
    assert_eq!((given(&placed, 1), given(&placed, 2)), (1, 3));
}

#[test]
fn a_million_executions_fill_ten_thousand_workers_evenly() {
    let all = workers(1..=10_000);
    let rooms: Vec<WorkerCapacity> = (1..=10_000).map(|worker| room(worker, 16, 84)).collect();
    let queues: Vec<ActivityQueue<'_>> =
        (1..=100).map(|activity| ActivityQueue { prefetch: true, ..queue(activity, 10_000, &all) }).collect();
    let placed = place(&PlacementView { queues: &queues, capacities: &rooms });
    assert_eq!(placed.len(), 1_000_000);
    let mut loads = BTreeMap::new();
    for assignment in &placed[..80_000] {
        *loads.entry(assignment.worker).or_insert(0) += 1;
    }
    assert!(loads.len() == 10_000 && loads.values().all(|load| *load == 8), "half of the slots, evenly");
}

#[test]
fn activities_on_different_workers_do_not_rush_to_the_same_ones() {
    let sets: Vec<_> = (1..=50).map(|without| workers((1..=500).filter(|worker| *worker != without))).collect();
    let rooms: Vec<WorkerCapacity> = (1..=500).map(|worker| room(worker, 4, 0)).collect();
    let queues: Vec<ActivityQueue<'_>> = (1..).zip(&sets).map(|(activity, set)| queue(activity, 2, set)).collect();
    let placed = place(&PlacementView { queues: &queues, capacities: &rooms });
    assert_eq!(placed.len(), 100);
    assert!((1..=500).all(|worker| load(&placed, worker) <= 1), "{placed:?}");
}

#[test]
fn revisions_of_an_activity_take_turns_within_its_share() {
    let all = workers([1]);
    let of = |revision: u32, oldest: i64| {
        let oldest = Age(oldest);
        ActivityQueue { revision: RevisionNo(revision), oldest, ..queue(1, 100, &all) }
    };
    let queues = [of(1, 2), of(2, 1), of(3, 3), ActivityQueue { oldest: Age(9), ..queue(2, 100, &all) }];
    let placed = place(&PlacementView { queues: &queues, capacities: &[room(1, 8, 0)] });
    let order: Vec<_> = placed.iter().map(|one| (one.activity.0, one.revision.0)).collect();
    assert_eq!(order, [(1, 2), (2, 1), (1, 1), (2, 1), (1, 3), (2, 1), (1, 2), (2, 1)]);
}

#[test]
fn a_revision_that_is_installed_nowhere_gives_its_turn_to_another_one() {
    let (all, none) = (workers([1]), workers([]));
    let missing = ActivityQueue { revision: RevisionNo(2), ..queue(1, 100, &none) };
    let placed = place(&PlacementView { queues: &[missing, queue(1, 2, &all)], capacities: &[room(1, 4, 0)] });
    assert_eq!(placed.iter().map(|one| one.revision.0).collect::<Vec<_>>(), [1, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No room, queue or allowance is exceeded; nothing runs where it is not installed; and no idle slot stays empty
    /// that an execution which may run could fill.
    #[test]
    fn placement_is_within_bounds_and_complete(
        rooms in proptest::collection::vec((0u32..5, 0u32..5), 0..6),
        queues in proptest::collection::vec(
            (0u32..12, 0u32..12, 0u64..4, any::<bool>(), proptest::collection::btree_set(1u64..8, 0..6)), 0..6),
        revisions_each in 1usize..4,
    ) {
        let rooms: Vec<WorkerCapacity> =
            (1..).zip(&rooms).map(|(worker, (slots, prefetch))| room(worker, *slots, *prefetch)).collect();
        let sets: Vec<BTreeSet<WorkerId>> = queues.iter().map(|queue| workers(queue.4.iter().copied())).collect();
        let shares: Vec<_> = queues.chunks(revisions_each).map(|own| (own[0].1, own[0].2)).collect();
        let queues: Vec<ActivityQueue<'_>> = queues
            .iter()
            .zip(&sets)
            .enumerate()
            .map(|(index, ((ready, _, _, prefetch, _), set))| {
                let ((concurrency_left, virtual_time), activity) = (shares[index / revisions_each], 1 + index / revisions_each);
                let revision = RevisionNo((index % revisions_each) as u32);
                ActivityQueue { revision, concurrency_left, virtual_time, prefetch: *prefetch, ..queue(activity as u64, *ready, set) }
            })
            .collect();
        let view = PlacementView { queues: &queues, capacities: &rooms };
        let placed = place(&view);
        prop_assert_eq!(&placed, &place(&view), "the same view gives the same placement");
        for queue in &queues {
            prop_assert!(given(&placed, queue.activity.0) <= queue.concurrency_left as usize);
            prop_assert!(of_lane(&placed, queue) <= queue.ready as usize);
            let mut own = placed.iter().filter(|one| (one.activity, one.revision) == (queue.activity, queue.revision));
            prop_assert!(own.all(|assignment| queue.installed_on.contains(&assignment.worker)));
        }
        for room in &rooms {
            let load = load(&placed, room.worker.0);
            prop_assert!(load <= (room.slots + room.prefetch) as usize);
            for queue in queues.iter().filter(|queue| queue.installed_on.contains(&room.worker)) {
                let satisfied = of_lane(&placed, queue) == queue.ready as usize
                    || given(&placed, queue.activity.0) == queue.concurrency_left as usize;
                prop_assert!(satisfied || load >= room.slots as usize, "an idle slot next to work that may run");
            }
        }
    }
}

//! Placement: idle slots first, the activity that was given least first, the worker with the most room first.
//!
//! Workers stand in heaps by room. Activities that are installed on the same workers share a heap, which is nearly
//! always all of them, so that a place costs O(log workers), not O(activities).

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
};

use super::{Assignment, Lane, PlacementView};
use crate::domain::WorkerId;

#[cfg(test)]
mod tests;

pub(super) fn place(view: &PlacementView<'_>) -> Vec<Assignment> {
    let mut placing = Placing::new(view);
    placing.fill(view.rooms.iter().map(|room| room.slots).collect(), |_| true);
    placing.fill(view.rooms.iter().map(|room| room.prefetch).collect(), |lane| lane.prefetch);
    placing.placed
}

/// A worker's room when it was put into the heap, and its index among the rooms; the first of equals comes first.
type Entry = (u32, Reverse<usize>);

struct Placing<'a> {
    lanes: &'a [Lane<'a>],
    workers: Vec<WorkerId>,
    /// The rooms of each distinct set of workers.
    sets: Vec<Vec<usize>>,
    /// By lane, the set of the workers that have it installed.
    set_of: Vec<usize>,
    /// By lane, what it was given.
    given: Vec<u32>,
    placed: Vec<Assignment>,
}

impl<'a> Placing<'a> {
    fn new(view: &PlacementView<'a>) -> Self {
        let index: HashMap<WorkerId, usize> =
            view.rooms.iter().enumerate().map(|(index, room)| (room.worker, index)).collect();
        let mut known: HashMap<&BTreeSet<WorkerId>, usize> = HashMap::new();
        let mut sets = Vec::new();
        let set_of = view.lanes.iter().map(|lane| {
            *known.entry(lane.installed_on).or_insert_with(|| {
                sets.push(lane.installed_on.iter().filter_map(|worker| index.get(worker).copied()).collect());
                sets.len() - 1
            })
        });
        let set_of = set_of.collect();
        Self {
            lanes: view.lanes,
            workers: view.rooms.iter().map(|room| room.worker).collect(),
            sets,
            set_of,
            given: vec![0; view.lanes.len()],
            placed: Vec::new(),
        }
    }

    /// Fills what is left of each room, one execution of each lane in turn.
    fn fill(&mut self, mut left: Vec<u32>, takes_part: impl Fn(&Lane<'_>) -> bool) {
        let mut heaps: Vec<BinaryHeap<Entry>> = self
            .sets
            .iter()
            .map(|set| set.iter().filter(|room| left[**room] > 0).map(|room| (left[*room], Reverse(*room))).collect())
            .collect();
        let lanes = self.lanes;
        let wants = |lane: &Lane<'_>, given: u32| given < lane.ready.min(lane.allowance);
        let mut turns: BinaryHeap<_> = lanes
            .iter()
            .enumerate()
            .filter(|(index, lane)| takes_part(lane) && wants(lane, self.given[*index]))
            .map(|(index, lane)| Reverse((lane.served + u64::from(self.given[index]), lane.oldest, index)))
            .collect();
        while let Some(Reverse((served, oldest, index))) = turns.pop() {
            let Some(room) = roomiest(&mut heaps[self.set_of[index]], &mut left) else { continue };
            let lane = &lanes[index];
            self.placed.push(Assignment { activity: lane.activity, worker: self.workers[room] });
            self.given[index] += 1;
            if wants(lane, self.given[index]) {
                turns.push(Reverse((served + 1, oldest, index)));
            }
        }
    }
}

/// Takes one place in the room with the most.
fn roomiest(heap: &mut BinaryHeap<Entry>, left: &mut [u32]) -> Option<usize> {
    while let Some((then, Reverse(room))) = heap.pop() {
        let now = &mut left[room];
        let fresh = *now == then;
        if fresh {
            *now -= 1;
        }
        if *now > 0 {
            // What another set of workers took meanwhile is noticed here, where it matters.
            heap.push((*now, Reverse(room)));
        }
        if fresh {
            return Some(room);
        }
    }
    None
}

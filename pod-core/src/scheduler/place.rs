//! Placement: idle slots first, the activity that was given least first, its revisions in turn, the worker with the
//! most room first.
//!
//! Workers stand in heaps by room. Revisions that are installed on the same workers share a heap, which is nearly
//! always all of them: then the worker is the one with the most room. Where the sets differ, a heap does not know what
//! was taken through another one; it is put right a few entries at a time, so that one assignment costs O(log workers)
//! however many revisions there are, and the worker is one with much room.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap, VecDeque},
};

use super::interface::{ActivityQueue, Assignment, PlacementView};
use crate::domain::WorkerId;

#[cfg(test)]
mod tests;

pub(super) fn place(view: &PlacementView<'_>) -> Vec<Assignment> {
    let mut placing = Placing::new(view);
    placing.fill(view.capacities.iter().map(|room| room.slots).collect(), |_| true);
    let mut prefetch: Vec<u32> = view.capacities.iter().map(|room| room.prefetch).collect();
    placing.close_where_others_wait(&mut prefetch);
    placing.fill(prefetch, |queue| queue.prefetch);
    placing.placed
}

/// So many entries of a heap are put right for one assignment.
const LOOKS: usize = 4;

/// The rooms of one set of workers.
struct Heap {
    entries: BinaryHeap<Entry>,
    /// Which of several equal rooms comes first. Not the same one for every set, or all would rush to it.
    first: usize,
}

/// A worker's room when it was put into the heap, and its distance from the first one.
type Entry = (u32, Reverse<usize>);

struct Placing<'a> {
    queues: &'a [ActivityQueue<'a>],
    workers: Vec<WorkerId>,
    /// The rooms of each distinct set of workers.
    sets: Vec<Vec<usize>>,
    /// By queue, the set of the workers that have it installed.
    set_of: Vec<usize>,
    /// By queue, what it was given.
    given: Vec<u32>,
    /// By queue, its activity, as a place in `shares`.
    activity_of: Vec<usize>,
    /// By activity, what all of its queues were given.
    shares: Vec<u32>,
    placed: Vec<Assignment>,
}

impl<'a> Placing<'a> {
    fn new(view: &PlacementView<'a>) -> Self {
        let index: HashMap<WorkerId, usize> =
            view.capacities.iter().enumerate().map(|(index, room)| (room.worker, index)).collect();
        let mut known: HashMap<&BTreeSet<WorkerId>, usize> = HashMap::new();
        let mut sets = Vec::new();
        let set_of = view.queues.iter().map(|queue| {
            *known.entry(queue.installed_on).or_insert_with(|| {
                sets.push(queue.installed_on.iter().filter_map(|worker| index.get(worker).copied()).collect());
                sets.len() - 1
            })
        });
        let set_of = set_of.collect();
        let mut activity_of: Vec<usize> = Vec::with_capacity(view.queues.len());
        for (index, queue) in view.queues.iter().enumerate() {
            activity_of.push(match index.checked_sub(1) {
                None => 0,
                Some(before) if view.queues[before].activity == queue.activity => activity_of[before],
                Some(before) => activity_of[before] + 1,
            });
        }
        Self {
            queues: view.queues,
            workers: view.capacities.iter().map(|room| room.worker).collect(),
            sets,
            set_of,
            given: vec![0; view.queues.len()],
            shares: vec![0; activity_of.last().map_or(0, |last| last + 1)],
            activity_of,
            placed: Vec::new(),
        }
    }

    /// Who takes no prefetch room needs a slot to become idle, which it never does while others are prefetched: so
    /// nothing is prefetched on workers that such a queue waits for.
    fn close_where_others_wait(&self, prefetch: &mut [u32]) {
        for (index, queue) in self.queues.iter().enumerate() {
            if !queue.prefetch && self.wants(index) {
                for room in &self.sets[self.set_of[index]] {
                    prefetch[*room] = 0;
                }
            }
        }
    }

    /// Whether a queue has more to give out.
    fn wants(&self, index: usize) -> bool {
        let queue = &self.queues[index];
        self.given[index] < queue.ready && self.shares[self.activity_of[index]] < queue.concurrency_left
    }

    /// The queues of each activity that take part, the one whose oldest execution waits the longest first.
    fn by_activity(&self, takes_part: impl Fn(&ActivityQueue<'_>) -> bool) -> Vec<VecDeque<usize>> {
        let mut queues: Vec<VecDeque<usize>> = vec![VecDeque::new(); self.shares.len()];
        for (index, queue) in self.queues.iter().enumerate() {
            if takes_part(queue) && self.wants(index) {
                queues[self.activity_of[index]].push_back(index);
            }
        }
        queues.iter_mut().for_each(|own| own.make_contiguous().sort_by_key(|index| self.queues[*index].oldest));
        queues
    }

    /// Fills what is left of each room, one execution of each activity in turn, and of each of its queues in turn.
    fn fill(&mut self, mut left: Vec<u32>, takes_part: impl Fn(&ActivityQueue<'_>) -> bool) {
        let mut heaps: Vec<Heap> = self
            .sets
            .iter()
            .enumerate()
            .map(|(number, set)| Heap::new(set, number * left.len() / self.sets.len(), &left))
            .collect();
        let mut waiting = self.by_activity(takes_part);
        let turn = |own: &VecDeque<usize>, share: u32, activity: usize| {
            let queue = &self.queues[*own.front()?];
            Some(Reverse((queue.virtual_time + u64::from(share), queue.oldest, activity)))
        };
        let shares = self.shares.clone();
        let turns = waiting.iter().enumerate().filter_map(|(activity, own)| turn(own, shares[activity], activity));
        let mut turns: BinaryHeap<_> = turns.collect();
        while let Some(Reverse((_, _, activity))) = turns.pop() {
            let own = &mut waiting[activity];
            // A queue without a room is out; the next one of its activity has the turn.
            while let Some(index) = own.pop_front() {
                let room = if self.wants(index) { heaps[self.set_of[index]].take(&mut left) } else { None };
                let Some(room) = room else { continue };
                let ActivityQueue { activity: id, revision, .. } = self.queues[index];
                self.placed.push(Assignment { activity: id, revision, worker: self.workers[room] });
                self.given[index] += 1;
                self.shares[activity] += 1;
                own.push_back(index);
                break;
            }
            turns.extend(turn(own, self.shares[activity], activity));
        }
    }
}

impl Heap {
    fn new(set: &[usize], first: usize, left: &[u32]) -> Self {
        let entry = |room: &usize| (left[*room], Reverse((room + left.len() - first) % left.len()));
        let entries = set.iter().filter(|room| left[**room] > 0).map(entry).collect();
        Self { entries, first }
    }

    /// Takes one place in a room with much left; none when all are full.
    fn take(&mut self, left: &mut [u32]) -> Option<usize> {
        let count = left.len();
        let room_of = |Reverse(distance): Reverse<usize>| (distance + self.first) % count;
        let mut best: Option<Entry> = None;
        let mut looks = 0;
        while looks < LOOKS
            && let Some((then, distance)) = self.entries.pop()
        {
            let room = room_of(distance);
            let now = left[room];
            if now == then {
                left[room] -= 1;
                if now > 1 {
                    self.entries.push((now - 1, distance));
                }
                return Some(room);
            }
            if now > 0 {
                self.entries.push((now, distance));
                best = best.max(Some((now, distance)));
                looks += 1;
            }
        }
        let room = room_of(best?.1);
        left[room] -= 1; // its entry is put right when it comes up
        Some(room)
    }
}

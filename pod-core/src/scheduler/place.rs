//! Placement: idle slots first, the activity that was given least first, the worker with the most room first.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::{Assignment, Lane, PlacementView};
use crate::domain::WorkerId;

/// What is left of a room.
type Left = HashMap<WorkerId, u32>;

pub(super) fn place(view: &PlacementView<'_>) -> Vec<Assignment> {
    let mut placed = Vec::new();
    let mut given = vec![0; view.lanes.len()];
    let mut slots: Left = view.rooms.iter().map(|room| (room.worker, room.slots)).collect();
    fill(view.lanes, &mut slots, &mut given, &mut placed, |_| true);
    let mut prefetch: Left = view.rooms.iter().map(|room| (room.worker, room.prefetch)).collect();
    fill(view.lanes, &mut prefetch, &mut given, &mut placed, |lane| lane.prefetch);
    placed
}

fn fill(
    lanes: &[Lane<'_>],
    left: &mut Left,
    given: &mut [u32],
    placed: &mut Vec<Assignment>,
    takes_part: impl Fn(&Lane<'_>) -> bool,
) {
    // By lane, its workers by room. An entry whose room has shrunk meanwhile is put back with what is left.
    let mut rooms: Vec<BinaryHeap<(u32, Reverse<WorkerId>)>> = lanes
        .iter()
        .map(|lane| {
            let of_worker = |worker: &WorkerId| Some((*left.get(worker).filter(|room| **room > 0)?, Reverse(*worker)));
            lane.installed_on.iter().filter_map(of_worker).collect()
        })
        .collect();
    let wants = |lane: &Lane<'_>, given: u32| given < lane.ready.min(lane.allowance);
    let mut turn: BinaryHeap<_> = lanes
        .iter()
        .enumerate()
        .filter(|(index, lane)| takes_part(lane) && wants(lane, given[*index]))
        .map(|(index, lane)| Reverse((lane.served + u64::from(given[index]), lane.oldest, index)))
        .collect();
    while let Some(Reverse((served, oldest, index))) = turn.pop() {
        let lane = &lanes[index];
        let Some(worker) = roomiest(&mut rooms[index], left) else { continue };
        placed.push(Assignment { activity: lane.activity, worker });
        given[index] += 1;
        if wants(lane, given[index]) {
            turn.push(Reverse((served + 1, oldest, index)));
        }
    }
}

/// Takes one place on the worker with the most room.
fn roomiest(heap: &mut BinaryHeap<(u32, Reverse<WorkerId>)>, left: &mut Left) -> Option<WorkerId> {
    while let Some((room, Reverse(worker))) = heap.pop() {
        let now = left.get_mut(&worker)?;
        if *now != room {
            if *now > 0 {
                heap.push((*now, Reverse(worker)));
            }
            continue;
        }
        *now -= 1;
        if *now > 0 {
            heap.push((*now, Reverse(worker)));
        }
        return Some(worker);
    }
    None
}

//! Creating workers.

use super::harness::Harness;
use crate::{domain::WorkerId, provisioner::MachineState};

/// Nothing is listed that nobody created.
pub async fn at_first_there_are_none(rig: &mut Harness) {
    assert!(rig.list().await.is_empty());
}

/// It knows who it is, whom it serves, and how much it may run.
pub async fn a_created_worker_dials_in(rig: &mut Harness) {
    rig.create(7).await;
    let worker = rig.connected_worker().await;
    assert_eq!((worker.hello.worker, worker.hello.slots), (Some(WorkerId(7)), 2));
    assert!(worker.hello.attempts.is_empty() && worker.hello.installed.is_empty());
    let machines = rig.machines().await;
    assert_eq!(machines.len(), 1, "{machines:?}");
    let machine = &machines[0];
    assert_eq!(machine.worker, WorkerId(7));
    assert!(matches!(machine.state, MachineState::Running | MachineState::Unknown), "{machine:?}");
    assert!(machine.id.as_ref().is_none_or(|id| !id.is_empty()), "{machine:?}");
    rig.clean_up().await;
}

/// Asked again, at once or later, it is the same worker.
pub async fn creating_twice_makes_one_worker(rig: &mut Harness) {
    tokio::join!(rig.create(1), rig.create(1));
    let mut worker = rig.connected_worker().await;
    rig.create(1).await;
    assert_eq!(rig.list().await, [1]);
    rig.create(2).await;
    assert_eq!(rig.connected_worker().await.hello.worker, Some(WorkerId(2)), "no second worker 1 dialled in before");
    rig.destroy(1).await;
    worker.leaves().await;
    rig.clean_up().await;
}

/// They do not get into each other's way.
pub async fn many_are_created_at_once(rig: &mut Harness) {
    tokio::join!(rig.create(1), rig.create(2), rig.create(3), rig.create(4));
    // Kept: one whose link ends dials again.
    let mut guests = Vec::new();
    while guests.len() < 4 {
        guests.push(rig.connected_worker().await);
    }
    let mut seen: Vec<u64> = guests.iter().map(|worker| worker.hello.worker.expect("it knows who it is").0).collect();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4]);
    assert_eq!(rig.list().await, [1, 2, 3, 4]);
    rig.clean_up().await;
}

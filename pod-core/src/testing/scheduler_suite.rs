//! What every [`Scheduler`] must do. One of your own runs all of it with one line, in a module of its own:
//!
//! ```ignore
//! pod_core::scheduler_suite!(scheduler);
//! ```
//!
//! where `scheduler` is a `fn() -> Box<dyn Scheduler>`. The engine leaves out what a scheduler says that cannot be
//! done; this finds it before. Views and fleets are drawn from a fixed seed.

use std::collections::BTreeSet;

use super::simulator::random::Random;
use crate::{
    domain::{ActivityId, Age, Millis, RevisionNo, Rules, WorkerId},
    plan::{Slips, advise_assignments, advise_scale},
    scheduler::{ActivityQueue, Demand, FleetMember, MemberState, PlacementView, Scheduler, WorkerCapacity},
};

/// How many views are drawn.
const DRAWN: u64 = 2000;
const NOW: Age = Age(1_000_000_000);

/// Makes one test of each case of the suite.
#[macro_export]
macro_rules! scheduler_suite {
    ($scheduler:ident) => {
        $crate::scheduler_suite! { @cases $scheduler;
            what_it_gives_out_can_be_done, what_it_makes_of_the_fleet_can_be_done, the_same_gives_the_same
        }
    };
    (@cases $scheduler:ident; $($case:ident),+) => {
        $(#[test]
        fn $case() {
            $crate::testing::scheduler_suite::$case(&*$scheduler());
        })+
    };
}

/// Every assignment is of something due that may run, to a worker that has room and has it installed.
pub fn what_it_gives_out_can_be_done(scheduler: &dyn Scheduler) {
    for_each_view(|view| {
        let mut slips = Slips::new();
        advise_assignments(view, scheduler.place(view, NOW), &mut slips);
        assert!(slips.is_empty(), "{slips:?} for {view:?}");
    });
}

/// It launches no more than the rules and the moment allow, and lets go and takes back only workers that it may.
pub fn what_it_makes_of_the_fleet_can_be_done(scheduler: &dyn Scheduler) {
    for_each_fleet(|rules, demand, fleet| {
        let mut slips = Slips::new();
        advise_scale(scheduler.scale(rules, demand, fleet, NOW), rules, demand, fleet, &mut slips);
        assert!(slips.is_empty(), "{slips:?} for {rules:?}, {demand:?}, {fleet:?}");
    });
}

/// It is a pure function: no clock, no chance.
pub fn the_same_gives_the_same(scheduler: &dyn Scheduler) {
    for_each_view(|view| assert_eq!(scheduler.place(view, NOW), scheduler.place(view, NOW), "{view:?}"));
    for_each_fleet(|rules, demand, fleet| {
        let scale = || scheduler.scale(rules, demand, fleet, NOW);
        assert_eq!(scale(), scale(), "{rules:?}, {demand:?}, {fleet:?}");
    });
}

fn for_each_view(look: impl Fn(&PlacementView<'_>)) {
    for seed in 0..DRAWN {
        let mut random = Random::of(seed, 1);
        let workers = random.between(1, 7);
        let room = |random: &mut Random, worker| WorkerCapacity {
            worker: WorkerId(worker),
            slots: below(random, 4),
            prefetch: if random.per_mille(500) { below(random, 12) } else { 0 },
        };
        let rooms: Vec<WorkerCapacity> = (1..=workers).map(|worker| room(&mut random, worker)).collect();
        let rooms: Vec<WorkerCapacity> = rooms.into_iter().filter(|room| room.slots + room.prefetch > 0).collect();
        if rooms.is_empty() {
            continue; // then nobody is asked
        }
        let count = random.between(1, 9);
        let mut installed = |_| {
            let mostly = random.between(0, 1001);
            rooms.iter().filter(|_| random.per_mille(mostly)).map(|room| room.worker).collect()
        };
        let installed: Vec<BTreeSet<WorkerId>> = (0..count).map(&mut installed).collect();
        let mut random = Random::of(seed, 2);
        // Lanes of one activity stand together.
        let per_activity = random.between(1, 4);
        let queues = installed.iter().zip(1..).map(|(installed_on, activity)| ActivityQueue {
            activity: ActivityId(u64::div_ceil(activity, per_activity)),
            revision: RevisionNo(u32::try_from(activity).unwrap_or(1)),
            ready: 1 + below(&mut random, 20),
            concurrency_left: if random.per_mille(500) { u32::MAX } else { below(&mut random, 6) },
            oldest: NOW - Millis(random.between(0, 100_000)),
            virtual_time: random.between(0, 50),
            prefetch: random.per_mille(500),
            installed_on,
        });
        let queues: Vec<ActivityQueue<'_>> = queues.collect();
        look(&PlacementView { queues: &queues, capacities: &rooms });
    }
}

fn for_each_fleet(look: impl Fn(&Rules, &Demand, &[FleetMember])) {
    for seed in 0..DRAWN {
        let mut random = Random::of(seed, 3);
        let min_workers = below(&mut random, 4);
        let rules = Rules {
            min_workers,
            max_workers: min_workers + below(&mut random, 5),
            max_wait: Millis(random.between(0, 120_000)),
            idle_timeout: Millis(random.between(0, 600_000)),
        };
        let waiting = random.between(0, 40);
        let demand = Demand {
            waiting,
            total_work: Millis(waiting * random.between(1, 100_000)),
            oldest: (waiting > 0).then(|| NOW - Millis(random.between(0, 300_000))),
            slots: 1 + below(&mut random, 4),
            startup_time_p90: Millis(random.between(100, 60_000)),
            may_launch: if random.per_mille(700) { u32::MAX } else { below(&mut random, 3) },
        };
        let count = random.between(0, 9);
        let member = |worker| FleetMember {
            worker: WorkerId(worker),
            state: match random.between(0, 3) {
                0 => MemberState::Launching,
                1 => MemberState::Idle(NOW - Millis(random.between(0, 1_000_000))),
                _ => MemberState::Busy(vec![Millis(random.between(0, 100_000)); 1 + below(&mut random, 3) as usize]),
            },
            draining: random.per_mille(250),
            self_registered: random.per_mille(250),
            created_at: NOW - Millis(random.between(0, 1_000_000)),
            installed: below(&mut random, 4) as usize,
        };
        let fleet: Vec<FleetMember> = (1..=count).map(member).collect();
        look(&rules, &demand, &fleet);
    }
}

fn below(random: &mut Random, bound: u64) -> u32 {
    u32::try_from(random.between(0, bound)).unwrap_or(u32::MAX)
}

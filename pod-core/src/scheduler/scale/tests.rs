//! The size of the fleet as scenarios, as properties, and against what goes wrong elsewhere.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    api::Limits,
    domain::{Epoch, StoreId, WorkerId, WorkerStatus},
    plan::{Config, Decision, Effect, Input, State},
    provisioner::{Capabilities, Machine, MachineState},
    scheduler::DefaultScheduler,
    store::{Change, Snapshot},
};

const NOW: Age = Age(10_000_000);
const MINUTE: u64 = 60_000;

fn rules(min: u32, max: u32) -> Rules {
    Rules { min_workers: min, max_workers: max, ..Rules::default() }
}

/// So many tasks of so many milliseconds each, on workers with two slots that boot in 5 s.
fn demand(waiting: u64, each: u64) -> Demand {
    Demand {
        waiting,
        total_work: Millis(waiting * each),
        oldest: Some(NOW),
        slots: 2,
        startup_time_p90: Millis(5000),
        may_launch: u32::MAX,
    }
}

fn nothing() -> Demand {
    Demand { oldest: None, ..demand(0, 0) }
}

fn member(worker: u64, state: MemberState) -> FleetMember {
    let created_at = NOW - Millis(1000);
    FleetMember { worker: WorkerId(worker), state, draining: false, self_registered: false, created_at, installed: 0 }
}

fn idle(worker: u64, minutes: u64) -> FleetMember {
    member(worker, MemberState::Idle(NOW - Millis(minutes * MINUTE)))
}

fn busy(worker: u64, left: &[u64]) -> FleetMember {
    member(worker, MemberState::Busy(left.iter().copied().map(Millis).collect()))
}

fn launching(worker: u64, since: u64) -> FleetMember {
    FleetMember { created_at: NOW - Millis(since), ..member(worker, MemberState::Launching) }
}

fn draining(member: FleetMember) -> FleetMember {
    FleetMember { draining: true, ..member }
}

fn ids(workers: &[u64]) -> Vec<WorkerId> {
    workers.iter().copied().map(WorkerId).collect()
}

fn sentence(scale: &ScalingPlan) -> String {
    scale.reason.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn decide(rules: &Rules, demand: &Demand, fleet: &[FleetMember]) -> ScalingPlan {
    scale(rules, demand, fleet, NOW)
}

mod growing {
    use super::*;

    #[test]
    fn the_formula_says_how_many() {
        // S = 120 × 4 s = 480 s; K = 60 s × 2; n = ⌈360 s / (2 × 55 s)⌉ = 4.
        let scale = decide(&rules(0, 10), &demand(120, 4000), &[idle(1, 0)]);
        assert_eq!(scale.launch, 4);
        assert_eq!(
            sentence(&scale),
            "Launched 4 workers: 120 tasks wait, about 8 min of work, and 1 worker would take 4 min."
        );
    }

    #[test]
    fn what_busy_workers_have_left_counts() {
        // K = 120 s − 20 s − min(60 s, 90 s) = 40 s; S = 45 s; what one worker takes is missing.
        let fleet = [busy(1, &[20_000, 90_000])];
        assert_eq!(decide(&rules(0, 10), &demand(3, 15_000), &fleet).launch, 1);
        assert_eq!(decide(&rules(0, 10), &demand(2, 15_000), &fleet).launch, 0);
    }

    #[test]
    fn a_fleet_at_zero_gets_as_many_as_the_work_asks_for_and_at_least_one() {
        let one = decide(&rules(0, 4), &demand(1, 5), &[]);
        assert_eq!(one.launch, 1);
        assert_eq!(sentence(&one), "Launched 1 worker: 1 task waits, about 5 ms of work, and no worker is there.");
        assert_eq!(decide(&rules(0, 4), &demand(1000, 60_000), &[]).launch, 4);
    }

    #[test]
    fn five_boot_at_once_or_as_many_as_are_there() {
        assert_eq!(decide(&rules(0, 1000), &demand(100_000, 60_000), &[]).launch, 5);
        let eight: Vec<_> = (1..=8).map(|worker| busy(worker, &[1000])).collect();
        assert_eq!(decide(&rules(0, 1000), &demand(100_000, 60_000), &eight).launch, 8);
    }

    #[test]
    fn never_more_workers_than_slots_that_can_be_used() {
        assert_eq!(decide(&rules(0, 100), &demand(3, 3_600_000), &[]).launch, 2);
    }

    #[test]
    fn the_minimum_is_kept_without_any_work() {
        let scale = decide(&rules(3, 4), &nothing(), &[idle(1, 500)]);
        assert_eq!(scale.launch, 2);
        assert_eq!(sentence(&scale), "Launched 2 workers: the policy wants at least 3 workers and there is 1.");
    }

    #[test]
    fn the_maximum_comes_over_every_floor() {
        assert_eq!(decide(&rules(0, 0), &demand(9, 60_000), &[]), ScalingPlan::default());
        assert_eq!(
            decide(&rules(0, 2), &demand(900, 60_000), &[busy(1, &[1]), launching(2, 9)]),
            ScalingPlan::default()
        );
    }

    #[test]
    fn whoever_waits_too_long_gets_one_more_worker() {
        let late = Demand { oldest: Some(NOW - Millis(2 * MINUTE)), ..demand(1, 100) };
        let scale = decide(&rules(0, 4), &late, &[busy(1, &[1000])]);
        assert_eq!(scale.launch, 1);
        assert_eq!(
            sentence(&scale),
            "Launched 1 worker: 1 task waits, the oldest for 2 min, and the policy wants none to wait longer than 1 min."
        );
        assert_eq!(decide(&rules(0, 4), &late, &[busy(1, &[1000]), launching(2, 9)]).launch, 0);
    }

    #[test]
    fn draining_workers_come_back_before_anything_is_launched() {
        let fleet = [busy(1, &[50]), draining(busy(2, &[50])), draining(busy(3, &[50]))];
        let scale = decide(&rules(3, 3), &nothing(), &fleet);
        assert_eq!((scale.launch, &scale.undrain), (0, &ids(&[2, 3])));
        assert_eq!(
            sentence(&scale),
            "Kept 2 workers that should have gone: the policy wants at least 3 workers and there is 1."
        );
        let scale = decide(&rules(4, 4), &nothing(), &fleet);
        assert_eq!((scale.launch, scale.undrain), (1, ids(&[2, 3])));
    }

    #[test]
    fn a_draining_worker_that_runs_nothing_has_been_told_to_go_and_does_not_come_back() {
        let scale = decide(&rules(1, 1), &nothing(), &[draining(idle(1, 60)), draining(busy(2, &[]))]);
        assert_eq!((scale.launch, scale.undrain), (1, vec![]));
    }

    #[test]
    fn after_a_refusal_nothing_is_launched() {
        let refused = Demand { may_launch: 0, ..demand(9, 60_000) };
        assert_eq!(decide(&rules(0, 4), &refused, &[]), ScalingPlan::default());
    }
}

mod shrinking {
    use super::*;

    #[test]
    fn whoever_is_idle_for_the_termination_time_goes_and_the_minimum_stays() {
        let scale = decide(&rules(1, 4), &nothing(), &[idle(1, 45), idle(2, 44), idle(3, 90)]);
        assert_eq!(scale.drain, ids(&[1, 3]));
        assert_eq!(sentence(&scale), "Let 2 workers go after 45 min without work.");
        assert_eq!(decide(&rules(3, 4), &nothing(), &[idle(1, 45), idle(2, 44), idle(3, 90)]).drain, []);
    }

    #[test]
    fn the_one_with_the_fewest_activities_goes_first_then_the_oldest() {
        let with =
            |worker, installed, age| FleetMember { installed, created_at: NOW - Millis(age), ..idle(worker, 60) };
        let fleet = [with(1, 2, 900), with(2, 1, 100), with(3, 1, 200), with(4, 9, 1)];
        assert_eq!(decide(&rules(1, 4), &nothing(), &fleet).drain, ids(&[3, 2, 1]));
    }

    #[test]
    fn a_smaller_maximum_applies_at_once_to_idle_ones_then_launching_ones_then_busy_ones() {
        let fleet = [busy(1, &[9]), launching(2, 9), idle(3, 0), busy(4, &[9])];
        assert_eq!(decide(&rules(0, 3), &nothing(), &fleet).drain, ids(&[3]));
        assert_eq!(decide(&rules(0, 2), &nothing(), &fleet).drain, ids(&[3, 2]));
        let scale = decide(&rules(0, 1), &nothing(), &fleet);
        assert_eq!(scale.drain, ids(&[3, 2, 1]));
        assert_eq!(sentence(&scale), "Let 3 workers go: the policy allows at most 1 and there were 4.");
    }

    #[test]
    fn nobody_goes_while_the_fleet_is_to_grow() {
        let fleet = [idle(1, 90), busy(2, &[60_000, 60_000])];
        assert_eq!(decide(&rules(0, 2), &demand(1000, 60_000), &fleet), ScalingPlan::default());
    }

    #[test]
    fn who_dialled_in_by_itself_counts_but_is_never_let_go() {
        let guest = |worker| FleetMember { self_registered: true, ..idle(worker, 600) };
        assert_eq!(decide(&rules(2, 4), &nothing(), &[guest(1), guest(2)]), ScalingPlan::default());
        assert_eq!(decide(&rules(0, 1), &nothing(), &[guest(1), guest(2), idle(3, 0)]).drain, ids(&[3]));
        assert_eq!(decide(&rules(0, 1), &nothing(), &[guest(1), guest(2)]), ScalingPlan::default());
    }
}

/// The bullets of "What goes wrong elsewhere, and must not here".
mod what_goes_wrong_elsewhere {
    use super::*;

    #[test]
    fn busy_workers_are_not_killed_by_scale_in() {
        let fleet = [busy(1, &[0]), busy(2, &[3_600_000]), busy(3, &[])];
        let at_once = Rules { idle_timeout: Millis(0), ..rules(0, 4) };
        assert_eq!(decide(&at_once, &nothing(), &fleet), ScalingPlan::default());
    }

    #[test]
    fn applying_a_smaller_policy_lets_busy_workers_finish_first() {
        // Draining is all that a decision can ask for: the planner destroys a worker only once it runs nothing.
        let scale = decide(&rules(0, 0), &nothing(), &[busy(1, &[3_600_000]), busy(2, &[1])]);
        assert_eq!((scale.drain, scale.launch), (ids(&[1, 2]), 0));
        assert_eq!(decide(&rules(0, 0), &nothing(), &[draining(busy(1, &[3_600_000]))]), ScalingPlan::default());
    }

    #[test]
    fn booting_workers_are_counted() {
        let work = demand(120, 4000);
        let mut fleet = vec![idle(1, 0)];
        let first = decide(&rules(0, 100), &work, &fleet).launch;
        fleet.extend((0..u64::from(first)).map(|worker| launching(2 + worker, 0)));
        assert_eq!(decide(&rules(0, 100), &work, &fleet).launch, 0, "the same work launches nothing twice");
    }

    #[test]
    fn a_launch_that_hangs_does_not_block_all_scaling() {
        let hung = [launching(1, 2 * MINUTE)];
        let scale = decide(&rules(0, 4), &demand(1, 100), &hung);
        assert_eq!(scale.launch, 1);
        assert_eq!(
            sentence(&scale),
            "Launched 1 worker: 1 task waits, about 100 ms of work, and every launch so far hangs."
        );
        let five: Vec<_> = (1..=5).map(|worker| launching(worker, 2 * MINUTE)).collect();
        assert_eq!(decide(&rules(0, 20), &demand(1000, 60_000), &five).launch, 5);
        assert_eq!(decide(&rules(0, 5), &demand(1000, 60_000), &five).launch, 0, "not beyond the maximum even so");
    }

    #[test]
    fn a_slow_boot_is_not_taken_to_hang() {
        let slow = Demand { startup_time_p90: Millis(5 * MINUTE), ..demand(1, 100) };
        assert_eq!(decide(&rules(0, 4), &slow, &[launching(1, 10 * MINUTE)]).launch, 0);
    }

    #[test]
    fn scale_to_zero_reaches_zero() {
        let fleet = [idle(1, 45), idle(2, 46), idle(3, 47)];
        assert_eq!(decide(&Rules::default(), &nothing(), &fleet).drain.len(), 3);
    }

    #[test]
    fn a_queue_does_not_wait_for_ever_at_zero() {
        for each in [0, 1, 60_000] {
            assert!(decide(&Rules::default(), &demand(1, each), &[]).launch >= 1);
        }
        let leaving = [draining(idle(1, 60))];
        assert_eq!(decide(&Rules::default(), &demand(1, 1), &leaving).launch, 1, "nor while the last one is leaving");
    }

    /// A crash between the create call and our commit leaks nothing.
    #[test]
    fn the_intent_is_written_before_the_create_call_and_orphans_are_swept() {
        let config = Config {
            backend: "test".into(),
            store: StoreId(uuid::Uuid::nil()),
            epoch: Epoch(1),
            limits: Limits::default(),
            launch_timeout: Millis(600_000),
            capabilities: Capabilities::default(),
            scheduler: Arc::new(DefaultScheduler),
            window: crate::plan::Window::default(),
            oldest_version: crate::link::OLDEST_VERSION,
        };
        let mut state = State::load(config, Snapshot::default(), NOW);
        let mut out = Decision::default();
        state.plan(NOW, &mut out);
        let created: BTreeSet<WorkerId> = out
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Create(worker, _) => Some(*worker),
                _ => None,
            })
            .collect();
        assert_eq!(created, BTreeSet::from([WorkerId(1)]), "the built-in policy wants one worker");
        // Effects are performed once the batch of their round is durable, and this batch holds the worker.
        let batch = state.batch(&mut out).unwrap();
        let written = batch.changes.iter().filter_map(|change| match change {
            Change::PutWorker(worker) if worker.status == WorkerStatus::Launching => Some(worker.id),
            _ => None,
        });
        assert_eq!(written.collect::<BTreeSet<_>>(), created);

        // A machine that nobody knows of is destroyed once two lists in a row hold it; the intended one is kept, and one
        // that ends by itself is left to that.
        let mut out = Decision::default();
        for _ in 0..2 {
            assert!(out.effects.is_empty(), "one list may be older than what was just done");
            let stopping = Machine::new(WorkerId(8), MachineState::Stopping);
            let running = [1, 7].map(|id| Machine::new(WorkerId(id), MachineState::Running));
            state.step(Input::Listed(running.into_iter().chain([stopping]).collect()), NOW, &mut out);
        }
        assert_eq!(out.effects, [Effect::Destroy(WorkerId(7))]);
    }

    #[test]
    fn idle_workers_are_not_killed_and_launched_again_in_a_cycle() {
        // The worker launched for a task is idle until the task's activity is installed on it.
        let at_once = Rules { idle_timeout: Millis(0), ..Rules::default() };
        let work = demand(1, 100);
        assert_eq!(decide(&at_once, &work, &[]).launch, 1);
        assert_eq!(decide(&at_once, &work, &[idle(1, 0)]), ScalingPlan::default());
        // One that others keep busy does not stand in for it.
        let fleet = [busy(1, &[1000, 1000]), idle(2, 0), idle(3, 0)];
        assert_eq!(decide(&at_once, &work, &fleet).drain, ids(&[2]));
    }
}

fn any_member() -> impl Strategy<Value = FleetMember> {
    let state = prop_oneof![
        Just(MemberState::Launching),
        (0..5_000_000i64).prop_map(|ago| MemberState::Idle(Age(NOW.0 - ago))),
        proptest::collection::vec(0..200_000u64, 0..4)
            .prop_map(|left| MemberState::Busy(left.into_iter().map(Millis).collect())),
    ];
    (state, any::<bool>(), prop::bool::weighted(0.1), 0..400_000u64, 0..4usize).prop_map(
        |(state, draining, external, age, installed)| FleetMember {
            worker: WorkerId(0),
            state,
            draining,
            self_registered: external,
            created_at: NOW - Millis(age),
            installed,
        },
    )
}

fn any_demand() -> impl Strategy<Value = Demand> {
    let waiting = prop_oneof![Just(0u64), 1..20u64, Just(1_000_000u64)];
    (waiting, 0..100_000u64, 0..200_000u64, 1..17u32, 0..90_000u64, prop_oneof![Just(0u32), Just(u32::MAX)]).prop_map(
        |(waiting, each, waited, slots, boot, may_launch)| Demand {
            waiting,
            total_work: Millis(waiting * each),
            oldest: (waiting > 0).then(|| NOW - Millis(waited)),
            slots,
            startup_time_p90: Millis(boot),
            may_launch,
        },
    )
}

fn any_rules() -> impl Strategy<Value = Rules> {
    (0..8u32, 0..8u32, 0..120_000u64, 0..3_000_000u64).prop_map(|(min, more, wait, idle)| Rules {
        min_workers: min,
        max_workers: min + more,
        max_wait: Millis(wait),
        idle_timeout: Millis(idle),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_comes_no_promise_is_broken(
        rules in any_rules(),
        demand in any_demand(),
        members in proptest::collection::vec(any_member(), 0..14),
    ) {
        let fleet: Vec<FleetMember> =
            (1..).zip(members).map(|(worker, member)| FleetMember { worker: WorkerId(worker), ..member }).collect();
        let scale = decide(&rules, &demand, &fleet);
        let of = |id: &WorkerId| fleet.iter().find(|member| member.worker == *id).unwrap();
        let all = fleet.iter().filter(|member| !member.draining).count();
        let (min, max) = (rules.min_workers as usize, rules.max_workers as usize);
        let grows = scale.launch as usize + scale.undrain.len();

        prop_assert!(grows == 0 || all + grows <= max, "the maximum is never exceeded");
        prop_assert!(grows == 0 || scale.drain.is_empty(), "nobody goes while the fleet grows");
        prop_assert!(scale.launch <= demand.may_launch);
        prop_assert_eq!(scale.reason.is_none(), grows == 0 && scale.drain.is_empty(), "every change has its sentence");
        prop_assert!(scale.undrain.iter().all(|id| of(id).draining && matches!(of(id).state, MemberState::Busy(_))));

        prop_assert!(scale.drain.iter().all(|id| !of(id).draining && !of(id).self_registered));
        prop_assert_eq!(scale.drain.iter().collect::<BTreeSet<_>>().len(), scale.drain.len());
        if all <= max {
            let long = |id: &WorkerId| matches!(of(id).state, MemberState::Idle(t) if NOW.since(t) >= rules.idle_timeout);
            prop_assert!(scale.drain.iter().all(long), "only idle ones go by themselves, never a busy one");
            prop_assert!(scale.drain.is_empty() || all - scale.drain.len() >= min, "never below the minimum");
        } else {
            prop_assert!(all - scale.drain.len() >= max, "no more go than must");
            let kept_idle = fleet.iter().any(|member| {
                let eligible = !member.draining && !member.self_registered && !scale.drain.contains(&member.worker);
                eligible && matches!(member.state, MemberState::Idle(_))
            });
            let busy_goes = scale.drain.iter().any(|id| matches!(of(id).state, MemberState::Busy(_)));
            prop_assert!(!(kept_idle && busy_goes), "no busy one goes while an idle one stays");
        }

        if demand.waiting > 0 && all == 0 && max > 0 && demand.may_launch > 0 {
            prop_assert!(grows >= 1, "no queue waits for ever at zero");
        }
        let boots = fleet.iter().filter(|member| {
            let hangs = NOW.since(member.created_at) > HANGS_AFTER;
            !member.draining && !hangs && member.state == MemberState::Launching
        });
        let boots = boots.count();
        if boots > 0 && all >= min && demand.waiting <= boots as u64 * u64::from(demand.slots) {
            prop_assert_eq!(grows, 0, "nothing is launched while enough boots");
        }
    }
}

//! Workers are of kinds, by what has a container of its own on them, and the kinds share one fleet: each is sized for
//! the work that waits for it, within what the policy leaves of the whole.

use std::collections::BTreeMap;

use super::{advice::Slips, state::State};
use crate::{
    domain::{ActivitySettings, Age, Isolation, RevisionStatus, Rules, ScaleReason, WorkerId},
    plan::advice,
    scheduler::{Demand, FleetMember, MemberState, ScalingPlan},
};

/// A kind of worker: those that there are, and what waits for them.
#[derive(Debug)]
struct Kind {
    isolation: Isolation,
    fleet: Vec<FleetMember>,
    demand: Demand,
    /// Since when something waits for it, verifications among them.
    waits_since: Option<Age>,
}

impl Kind {
    /// Those that stay.
    fn count(&self) -> u32 {
        let staying = self.fleet.iter().filter(|member| !member.draining).count();
        u32::try_from(staying).unwrap_or(u32::MAX)
    }
}

impl State {
    /// The kind of worker that runs executions with those settings.
    pub(in crate::plan) fn isolation(&self, settings: &ActivitySettings) -> Isolation {
        settings.isolation.unwrap_or(self.config.capabilities.default_isolation)
    }

    /// Whether workers of that kind can be launched.
    pub(in crate::plan) fn can_be_made(&self, isolation: Isolation) -> bool {
        self.config.capabilities.supports_all || self.config.capabilities.default_isolation == isolation
    }

    /// Whether the other kinds are as many as the policy allows in sum.
    pub(in crate::plan) fn is_full_of_others(&self, isolation: Isolation) -> bool {
        let others = self.workers.values().filter(|state| state.worker.isolation != isolation);
        let others = others.filter_map(|state| self.member(state)).filter(|member| !member.draining).count();
        others >= self.rules().max_workers as usize
    }

    /// What becomes of each kind, in the order in which it is to be done.
    pub(in crate::plan) fn wanted(
        &self,
        rules: &Rules,
        may_launch: u32,
        slips: &mut Slips,
    ) -> Vec<(Isolation, ScalingPlan)> {
        let mut kinds = self.kinds(may_launch);
        let usual = self.config.capabilities.default_isolation;
        let mut wanted = Vec::new();
        for index in 0..kinds.len() {
            let isolation = kinds[index].isolation;
            let others: u32 = kinds.iter().filter(|kind| kind.isolation != isolation).map(Kind::count).sum();
            let min = if isolation == usual { rules.min_workers.saturating_sub(others) } else { 0 };
            let mut within = |max_workers| {
                let rules = Rules { min_workers: min.min(max_workers), max_workers, ..*rules };
                let Kind { fleet, demand, .. } = &kinds[index];
                let said = self.config.scheduler.scale(&rules, demand, fleet, self.now);
                advice::scale(said, &rules, demand, fleet, slips)
            };
            let mut max = rules.max_workers.saturating_sub(others);
            let mut scale = within(max);
            let missing = within(rules.max_workers).launch.saturating_sub(scale.launch);
            if missing > 0 && others > 0 {
                for (other, victims) in self.make_room(rules, &kinds, isolation, missing) {
                    let released = u32::try_from(victims.len()).unwrap_or(u32::MAX);
                    max += released;
                    let waiting = kinds[index].demand.waiting;
                    let reason =
                        ScaleReason::MakesRoom { released, wanted: isolation, waiting, max: rules.max_workers };
                    wanted
                        .push((other, ScalingPlan { drain: victims, reason: Some(reason), ..ScalingPlan::default() }));
                }
                scale = within(max.min(rules.max_workers));
            }
            wanted.push((isolation, scale));
            for (kind, scale) in &wanted {
                if let Some(kind) = kinds.iter_mut().find(|other| other.isolation == *kind) {
                    kind.foresee(scale, self);
                }
            }
        }
        wanted
    }

    /// The kinds that there are or can be. First the one that something has waited for the longest.
    fn kinds(&self, may_launch: u32) -> Vec<Kind> {
        let mut fleets: BTreeMap<Isolation, Vec<FleetMember>> = BTreeMap::new();
        for isolation in self.config.capabilities.kinds() {
            fleets.entry(isolation).or_default();
        }
        for state in self.workers.values() {
            if let Some(member) = self.member(state) {
                fleets.entry(state.worker.isolation).or_default().push(member);
            }
        }
        let mut kinds: Vec<Kind> = fleets
            .into_iter()
            .map(|(isolation, fleet)| {
                let may_launch = if self.can_be_made(isolation) { may_launch } else { 0 };
                let demand = Demand { may_launch, ..self.demand(isolation) };
                let waits_since = demand.oldest.into_iter().chain(self.oldest_verification(isolation)).min();
                Kind { isolation, fleet, demand, waits_since }
            })
            .collect();
        kinds.sort_by_key(|kind| (kind.demand.waiting == 0, kind.waits_since));
        kinds
    }

    fn oldest_verification(&self, isolation: Isolation) -> Option<Age> {
        let revisions = self.activities.awake().flat_map(|(_, activity)| activity.revisions.values());
        let verifying = revisions.filter(|state| state.revision.status == RevisionStatus::Verifying);
        verifying.filter(|state| self.isolation(&state.revision.settings) == isolation).map(|state| state.since).min()
    }

    /// Who goes so that up to `missing` workers of another kind may come: those with nothing to do; and where something
    /// has waited for too long and has no worker at all, one that is busy, when it is done.
    fn make_room(
        &self,
        rules: &Rules,
        kinds: &[Kind],
        wanting: Isolation,
        missing: u32,
    ) -> Vec<(Isolation, Vec<WorkerId>)> {
        let mut room = Vec::new();
        let mut missing = missing as usize;
        let others = || kinds.iter().filter(|kind| kind.isolation != wanting);
        let may_go = |member: &&FleetMember| !member.draining && !member.self_registered;
        for kind in others() {
            let idle = kind.fleet.iter().filter(may_go).filter(|member| matches!(member.state, MemberState::Idle(_)));
            // Those that waiting work is about to be given to stay.
            let needed = kind.demand.waiting.div_ceil(u64::from(kind.demand.slots.max(1)));
            let spare = idle.skip(usize::try_from(needed).unwrap_or(usize::MAX));
            let victims: Vec<WorkerId> = spare.take(missing).map(|member| member.worker).collect();
            missing -= victims.len();
            if !victims.is_empty() {
                room.push((kind.isolation, victims));
            }
        }
        let starves = kinds.iter().find(|kind| kind.isolation == wanting).is_some_and(|kind| {
            kind.count() == 0 && kind.waits_since.is_some_and(|since| self.now.since(since) > rules.max_wait)
        });
        if room.is_empty() && starves {
            let harm = |member: &&FleetMember| match &member.state {
                MemberState::Idle(_) => (0, 0),
                MemberState::Launching => (1, 0),
                MemberState::Busy(runs) => (2, runs.len()),
            };
            let victim = others().flat_map(|kind| {
                // Not one that has just come, or the kinds would take it from each other in turns without end.
                let had_its_time = |member: &&FleetMember| self.now.since(member.created_at) > rules.max_wait;
                let members = kind.fleet.iter().filter(may_go).filter(had_its_time);
                members.map(|member| (harm(&member), kind.isolation, member.worker))
            });
            room.extend(victim.min().map(|(_, isolation, worker)| (isolation, vec![worker])));
        }
        room
    }
}

impl Kind {
    /// The fleet as it is after that, so far as it counts for the other kinds.
    fn foresee(&mut self, scale: &ScalingPlan, state: &State) {
        for member in &mut self.fleet {
            if scale.drain.contains(&member.worker) {
                member.draining = true;
            } else if scale.undrain.contains(&member.worker) {
                member.draining = false;
            }
        }
        // Each call is for one part of the whole; what was foreseen before is not counted again.
        let foreseen = self.fleet.iter().filter(|member| member.worker == FORESEEN).count();
        for _ in foreseen..scale.launch as usize {
            self.fleet.push(FleetMember {
                worker: FORESEEN,
                state: MemberState::Launching,
                draining: false,
                self_registered: false,
                created_at: state.now,
                installed: 0,
            });
        }
    }
}

/// Stands for workers that are about to be launched; ids begin at 1.
const FORESEEN: WorkerId = WorkerId(0);

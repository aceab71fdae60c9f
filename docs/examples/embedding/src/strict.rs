//! A scheduler: activities have ranks, and nothing runs while something of a better rank could.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use pod_core::{
    domain::{ActivityId, Age, Rules},
    scheduler::{
        ActivityQueue, Assignment, DefaultScheduler, Demand, FleetMember, PlacementView, ScalingPlan, Scheduler,
    },
};

/// The lowest rank first, and the default order within a rank. Ranks are given when activities are registered: a
/// scheduler sees numbers and no names. Who has no rank comes last.
#[derive(Clone, Debug, Default)]
pub struct Strict {
    ranks: Arc<RwLock<BTreeMap<ActivityId, u32>>>,
}

impl Strict {
    /// Gives an activity its rank.
    pub fn rank(&self, activity: ActivityId, rank: u32) {
        self.ranks.write().unwrap_or_else(PoisonError::into_inner).insert(activity, rank);
    }
}

impl Scheduler for Strict {
    fn place(&self, view: &PlacementView<'_>, now: Age) -> Vec<Assignment> {
        let ranks = self.ranks.read().unwrap_or_else(PoisonError::into_inner);
        let rank_of = |lane: &ActivityQueue<'_>| ranks.get(&lane.activity).copied().unwrap_or(u32::MAX);
        let Some(best) = view.queues.iter().map(rank_of).min() else { return Vec::new() };
        // One rank at a time: it is asked again as soon as there is room.
        let queues: Vec<ActivityQueue<'_>> =
            view.queues.iter().filter(|queue| rank_of(queue) == best).copied().collect();
        DefaultScheduler.place(&PlacementView { queues: &queues, capacities: view.capacities }, now)
    }

    fn scale(&self, rules: &Rules, demand: &Demand, fleet: &[FleetMember], now: Age) -> ScalingPlan {
        DefaultScheduler.scale(rules, demand, fleet, now)
    }
}

//! A scheduler: activities have ranks, and nothing runs while something of a better rank could.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use pod_core::{
    domain::{ActivityId, Age, Rules},
    scheduler::{Assignment, DefaultScheduler, Demand, FleetMember, Lane, PlacementView, Scale, Scheduler},
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
        let rank_of = |lane: &Lane<'_>| ranks.get(&lane.activity).copied().unwrap_or(u32::MAX);
        let Some(best) = view.lanes.iter().map(rank_of).min() else { return Vec::new() };
        // One rank at a time: it is asked again as soon as there is room.
        let lanes: Vec<Lane<'_>> = view.lanes.iter().filter(|lane| rank_of(lane) == best).copied().collect();
        DefaultScheduler.place(&PlacementView { lanes: &lanes, rooms: view.rooms }, now)
    }

    fn scale(&self, rules: &Rules, demand: &Demand, fleet: &[FleetMember], now: Age) -> Scale {
        DefaultScheduler.scale(rules, demand, fleet, now)
    }
}

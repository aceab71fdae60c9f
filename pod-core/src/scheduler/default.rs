//! The scheduler that a POD has where none is given to it.

use super::{
    interface::{Assignment, Demand, FleetMember, PlacementView, ScalingPlan, Scheduler},
    place, scale,
};
use crate::domain::{Age, Rules};

/// By age, fair between activities, on workers that have the activity installed; sized as `autoscaling` documents.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultScheduler;

impl Scheduler for DefaultScheduler {
    fn place(&self, view: &PlacementView<'_>, _now: Age) -> Vec<Assignment> {
        place::place(view)
    }

    fn scale(&self, rules: &Rules, demand: &Demand, fleet: &[FleetMember], now: Age) -> ScalingPlan {
        scale::scale(rules, demand, fleet, now)
    }
}

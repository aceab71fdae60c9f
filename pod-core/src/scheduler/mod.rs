//! The trait that decides where executions go and how large the fleet is, and its default. Pure.

mod default;
mod interface;
mod place;
mod scale;

pub use default::DefaultScheduler;
pub use interface::{
    ActivityQueue, Assignment, Demand, FleetMember, MemberState, PlacementView, ScalingPlan, Scheduler, WorkerCapacity,
};

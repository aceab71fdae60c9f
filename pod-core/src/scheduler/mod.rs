//! The trait that decides where executions go and how large the fleet is, and its default. Pure.

mod default;
mod interface;
mod place;
mod scale;

pub use default::DefaultScheduler;
pub use interface::{Assignment, Demand, FleetMember, Lane, MemberState, PlacementView, Room, Scale, Scheduler};

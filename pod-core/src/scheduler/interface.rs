//! The trait that decides where executions go and how large the fleet is, and what it is asked with.

use std::{collections::BTreeSet, fmt::Debug};

use crate::domain::{ActivityId, Age, Millis, RevisionNo, Rules, ScaleReason, WorkerId};

/// Decides where waiting executions run and how many workers there are. Pure: no clock, no randomness, no IO.
///
/// ```
/// use pod_core::{
///     domain::{Age, Rules},
///     scheduler::{Assignment, DefaultScheduler, Demand, FleetMember, PlacementView, ScalingPlan, Scheduler},
/// };
///
/// /// As the default one, but a machine that was launched stays for the day.
/// #[derive(Debug)]
/// struct NeverSmaller;
///
/// impl Scheduler for NeverSmaller {
///     fn place(&self, view: &PlacementView<'_>, now: Age) -> Vec<Assignment> {
///         DefaultScheduler.place(view, now)
///     }
///
///     fn scale(&self, rules: &Rules, demand: &Demand, fleet: &[FleetMember], now: Age) -> ScalingPlan {
///         let scale = DefaultScheduler.scale(rules, demand, fleet, now);
///         let too_many = fleet.len() > usize::try_from(rules.max_workers).unwrap_or(usize::MAX);
///         if too_many { scale } else { ScalingPlan { drain: Vec::new(), ..scale } }
///     }
/// }
///
/// let builder = pod_core::Pod::builder().scheduler(NeverSmaller);
/// ```
///
/// What it says that cannot be done is left out and told in the log, once per kind; it is asked again soon. A panic in it
/// ends the engine as [`PodError::Crashed`](crate::PodError::Crashed). `scheduler_suite!` (feature `testing`) looks for both.
pub trait Scheduler: Debug + Send + Sync + 'static {
    /// Which executions go where, one assignment each, in order: executions that are due ([`ActivityQueue::ready`]) and may run
    /// ([`ActivityQueue::concurrency_left`], which queues of one activity share), to workers that have them installed, never more than a
    /// room takes. Not asked while there is no room or nothing due.
    fn place(&self, view: &PlacementView<'_>, now: Age) -> Vec<Assignment>;

    /// How the fleet changes: launches within [`Rules::max_workers`] and [`Demand::may_launch`], and only members of the
    /// fleet are let go that are not external, and taken back that are draining.
    fn scale(&self, rules: &Rules, demand: &Demand, fleet: &[FleetMember], now: Age) -> ScalingPlan;
}

/// What there is to place, and where.
#[derive(Clone, Copy, Debug)]
pub struct PlacementView<'a> {
    /// The revisions with executions that are due; those of one activity stand together.
    pub queues: &'a [ActivityQueue<'a>],
    /// The workers with room.
    pub capacities: &'a [WorkerCapacity],
}

/// The queue of one revision.
#[derive(Clone, Copy, Debug)]
pub struct ActivityQueue<'a> {
    /// The activity.
    pub activity: ActivityId,
    /// The revision.
    pub revision: RevisionNo,
    /// How many of its executions are due.
    pub ready: u32,
    /// How many more executions of the activity may run at a time, as far as this revision says.
    pub concurrency_left: u32,
    /// Since when the oldest is due.
    pub oldest: Age,
    /// How much the activity was given so far, with all its revisions; who was given least comes first. Grows by one per
    /// assignment.
    pub virtual_time: u64,
    /// Its runs are short: it may fill prefetch room.
    pub prefetch: bool,
    /// The workers with room that have it installed.
    pub installed_on: &'a BTreeSet<WorkerId>,
}

/// The room of one worker.
#[derive(Clone, Copy, Debug)]
pub struct WorkerCapacity {
    /// The worker.
    pub worker: WorkerId,
    /// Idle slots.
    pub slots: u32,
    /// How much it may hold beyond its slots, to be taken back if it comes to that.
    pub prefetch: u32,
}

/// The next execution of that revision goes to that worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The activity.
    pub activity: ActivityId,
    /// The revision.
    pub revision: RevisionNo,
    /// The worker.
    pub worker: WorkerId,
}

/// The work that waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// `|Q|`: executions that could run now, and verifications and installations that wait for a worker.
    pub waiting: u64,
    /// `S`: how long they take in sum.
    pub total_work: Millis,
    /// Since when the oldest waits.
    pub oldest: Option<Age>,
    /// `c`: executions that one worker runs at a time.
    pub slots: u32,
    /// `β`: from launch to ready, 90th percentile.
    pub startup_time_p90: Millis,
    /// How many more launches are allowed right now: after refusals, none.
    pub may_launch: u32,
}

/// A worker as the size of the fleet sees it. Lost, failed and terminated ones are not in the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetMember {
    /// The worker.
    pub worker: WorkerId,
    /// What it does.
    pub state: MemberState,
    /// It takes no new work.
    pub draining: bool,
    /// It dialled in by itself: it counts, and is never let go.
    pub self_registered: bool,
    /// When it was created.
    pub created_at: Age,
    /// How many activities are installed on it.
    pub installed: usize,
}

/// What a worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// Not yet connected.
    Launching,
    /// Running nothing since then.
    Idle(Age),
    /// What is left of each execution that it runs, `r_i`.
    Busy(Vec<Millis>),
}

/// How the fleet changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScalingPlan {
    /// So many workers are launched.
    pub launch: u32,
    /// These take no more work and go when what they run has ended.
    pub drain: Vec<WorkerId>,
    /// These were draining and are wanted again.
    pub undrain: Vec<WorkerId>,
    /// Why; none when nothing changes.
    pub reason: Option<ScaleReason>,
}

//! What a scheduler says is advice: it is checked here, in one place, and what cannot be done is left out. A slip of a
//! scheduler costs what it was about, and no execution, worker or store.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    fmt,
};

use crate::{
    domain::{ActivityId, RevisionNo, Rules, WorkerId},
    scheduler::{ActivityQueue, Assignment, Demand, FleetMember, PlacementView, ScalingPlan},
};

/// What a scheduler said that cannot be done: the first of each kind in a round.
pub type Slips = BTreeMap<SlipKind, String>;

/// Kinds of what a scheduler can say that cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SlipKind {
    /// An execution of something that is not in the view.
    NoSuchQueue,
    /// More executions than are due.
    NothingDue,
    /// More executions than may run at a time.
    OverAllowance,
    /// A worker that is not in the view.
    NoSuchWorker,
    /// A worker that has not installed it, or is of the other kind.
    NotInstalled,
    /// A worker that is full.
    NoRoom,
    /// More launches than are allowed.
    TooManyLaunches,
    /// The end of a worker that is not in the fleet, or not POD's to end.
    NotToDrain,
    /// Taking a worker back that was not let go.
    NotToUndrain,
}

impl fmt::Display for SlipKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchQueue => "it gave out what does not wait",
            Self::NothingDue => "it gave out more than waits",
            Self::OverAllowance => "it gave out more than may run at a time",
            Self::NoSuchWorker => "it gave something to a worker that takes nothing",
            Self::NotInstalled => "it gave something to a worker that has not installed it",
            Self::NoRoom => "it gave a worker more than it takes",
            Self::TooManyLaunches => "it launched more workers than are allowed",
            Self::NotToDrain => "it let a worker go that it cannot",
            Self::NotToUndrain => "it took a worker back that was not let go",
        })
    }
}

/// What tells queues apart.
type Key = (ActivityId, RevisionNo);

const fn key_of_queue(queue: &ActivityQueue<'_>) -> Key {
    (queue.activity, queue.revision)
}

const fn key_of(assignment: &Assignment) -> Key {
    (assignment.activity, assignment.revision)
}

/// Leaves out the assignments that cannot be carried out; the others stay in their order.
pub(crate) fn assignments(view: &PlacementView<'_>, said: Vec<Assignment>, slips: &mut Slips) -> Vec<Assignment> {
    let mut ledger = Ledger::of(view);
    let check = |assignment: &Assignment| match ledger.take(assignment) {
        Ok(()) => true,
        Err(slip) => {
            slips.entry(slip).or_insert_with(|| format!("{assignment:?}"));
            false
        }
    };
    said.into_iter().filter(check).collect()
}

/// What is left of a view while its assignments are gone through.
struct Ledger<'a> {
    queues: HashMap<Key, (&'a ActivityQueue<'a>, u32)>,
    /// How much of each activity was given out; each of its queues says how much that may be.
    given: HashMap<ActivityId, u32>,
    /// Idle slots, and how much may be held beyond them.
    rooms: HashMap<WorkerId, (u32, u32)>,
}

impl<'a> Ledger<'a> {
    fn of(view: &PlacementView<'a>) -> Self {
        Self {
            queues: view.queues.iter().map(|queue| (key_of_queue(queue), (queue, queue.ready))).collect(),
            given: HashMap::new(),
            rooms: view.capacities.iter().map(|room| (room.worker, (room.slots, room.prefetch))).collect(),
        }
    }

    fn take(&mut self, assignment: &Assignment) -> Result<(), SlipKind> {
        let (queue, ready) = self.queues.get_mut(&key_of(assignment)).ok_or(SlipKind::NoSuchQueue)?;
        let given = self.given.entry(assignment.activity).or_default();
        let (slots, prefetch) = self.rooms.get_mut(&assignment.worker).ok_or(SlipKind::NoSuchWorker)?;
        if *ready == 0 {
            return Err(SlipKind::NothingDue);
        }
        if *given >= queue.concurrency_left {
            return Err(SlipKind::OverAllowance);
        }
        if !queue.installed_on.contains(&assignment.worker) {
            return Err(SlipKind::NotInstalled);
        }
        let room = if *slots > 0 { slots } else { prefetch };
        *room = room.checked_sub(1).ok_or(SlipKind::NoRoom)?;
        *ready -= 1;
        *given += 1;
        Ok(())
    }
}

/// Leaves out of a change of the fleet what cannot be done, and what the rules forbid.
pub(crate) fn scale(
    said: ScalingPlan,
    rules: &Rules,
    demand: &Demand,
    fleet: &[FleetMember],
    slips: &mut Slips,
) -> ScalingPlan {
    let members: HashMap<WorkerId, &FleetMember> = fleet.iter().map(|member| (member.worker, member)).collect();
    let mut named = HashMap::new();
    let mut may = |id: &WorkerId, slip: SlipKind, allowed: &dyn Fn(&FleetMember) -> bool| {
        let sound = members.get(id).is_some_and(|member| allowed(member));
        match named.entry(*id) {
            // Said twice, it is done once.
            Entry::Occupied(earlier) if *earlier.get() == slip => false,
            Entry::Vacant(vacant) if sound => {
                vacant.insert(slip);
                true
            }
            _ => {
                slips.entry(slip).or_insert_with(|| format!("worker {id}"));
                false
            }
        }
    };
    let ScalingPlan { launch, mut drain, mut undrain, reason } = said;
    drain.retain(|id| may(id, SlipKind::NotToDrain, &|member| !member.self_registered));
    undrain.retain(|id| may(id, SlipKind::NotToUndrain, &|member| member.draining));
    let going: HashSet<&WorkerId> = drain.iter().collect();
    let coming: HashSet<&WorkerId> = undrain.iter().collect();
    let stays = |member: &&FleetMember| {
        (!member.draining || coming.contains(&member.worker)) && !going.contains(&member.worker)
    };
    let staying = u32::try_from(fleet.iter().filter(stays).count()).unwrap_or(u32::MAX);
    let most = rules.max_workers.saturating_sub(staying).min(demand.may_launch);
    if launch > most {
        slips.entry(SlipKind::TooManyLaunches).or_insert_with(|| format!("{launch} instead of at most {most}"));
    }
    ScalingPlan { launch: launch.min(most), drain, undrain, reason }
}

//! The size of the fleet: the formula of `docs/autoscaling.md`, in its letters.

use super::interface::{Demand, FleetMember, MemberState, ScalingPlan};
use crate::domain::{Age, Millis, Need, Rules, ScaleReason, WorkerId};

#[cfg(test)]
mod tests;

/// A launch that takes this many times as long as launches do is taken to hang.
const HANGS_AFTER_BOOTS: u64 = 3;
/// No launch hangs before that.
const HANGS_AFTER: Millis = Millis(60_000);
/// So many may boot at a time, however small the fleet.
const BOOT_AT_ONCE: u64 = 5;

pub(super) fn scale(rules: &Rules, demand: &Demand, fleet: &[FleetMember], now: Age) -> ScalingPlan {
    let count = Count::of(rules, demand, fleet, now);
    let needed = needed(rules, demand, &count, now);
    // The caps come last, over the floors too.
    if let Some((wanted, need)) = needed {
        let missing = wanted.min(u64::from(rules.max_workers).saturating_sub(count.all));
        if missing > 0 {
            return grow(u32::try_from(missing).unwrap_or(u32::MAX), need, demand, fleet);
        }
    }
    if count.all > u64::from(rules.max_workers) {
        return obey_maximum(rules, fleet, count.all);
    }
    if needed.is_some() {
        return ScalingPlan::default();
    }
    let_idle_go(rules, demand, fleet, count.all, now)
}

/// What the fleet consists of, draining workers left aside.
#[derive(Debug, Default)]
struct Count {
    /// `W`.
    all: u64,
    /// `|B| + |I|`.
    present: u64,
    /// `|L|`, without launches that hang: they count against the maximum, but nobody may wait for them.
    booting: u64,
    /// `K`: how much work the fleet takes within `M`. Below zero where prefetched work exceeds that.
    takes: i128,
    /// `Σ r_i`.
    left: u128,
}

impl Count {
    fn of(rules: &Rules, demand: &Demand, fleet: &[FleetMember], now: Age) -> Self {
        let (c, m) = (i128::from(demand.slots.max(1)), i128::from(rules.max_wait.0));
        let mut count = Self::default();
        for member in fleet.iter().filter(|member| !member.draining) {
            count.all += 1;
            match &member.state {
                MemberState::Idle(_) => {
                    count.present += 1;
                    count.takes += m * c;
                }
                MemberState::Busy(runs) => {
                    count.present += 1;
                    count.takes += m * c - runs.iter().map(|left| i128::from(left.0).min(m)).sum::<i128>();
                    count.left += runs.iter().map(|left| u128::from(left.0)).sum::<u128>();
                }
                MemberState::Launching => {
                    let age = now.since(member.created_at);
                    if age > HANGS_AFTER.max(Millis(demand.startup_time_p90.0.saturating_mul(HANGS_AFTER_BOOTS))) {
                        continue;
                    }
                    count.booting += 1;
                    let ready_in = i128::from(demand.startup_time_p90.0.saturating_sub(age.0));
                    count.takes += c * if ready_in < m { m - ready_in } else { i128::from(mean(demand)) };
                }
            }
        }
        count
    }
}

/// `mean d`.
fn mean(demand: &Demand) -> u64 {
    (demand.total_work.0 / demand.waiting.max(1)).max(1)
}

/// `n`: how many workers are missing before the caps, and what for; nothing where none is.
fn needed(rules: &Rules, demand: &Demand, count: &Count, now: Age) -> Option<(u64, Need)> {
    let by_work = by_work(rules, demand, count);
    let floor = u64::from(rules.min_workers).saturating_sub(count.all);
    if floor > by_work {
        return Some((floor, Need::BelowMinimum { min: rules.min_workers, present: count.all }));
    }
    let (waiting, work) = (demand.waiting, demand.total_work);
    if waiting == 0 {
        return None;
    }
    if count.all == 0 {
        return Some((by_work.max(1), Need::NoWorker { waiting, work }));
    }
    if by_work > 0 {
        let workers = count.present + count.booting;
        if workers == 0 {
            return Some((by_work, Need::LaunchesHang { waiting, work }));
        }
        let slots = u128::from(workers) * u128::from(demand.slots.max(1));
        let time = (u128::from(work.0) + count.left) / slots;
        let time = Millis(u64::try_from(time).unwrap_or(u64::MAX));
        return Some((by_work, Need::TooSlow { waiting, work, workers, time }));
    }
    let oldest = demand.oldest.map_or(Millis(0), |oldest| now.since(oldest));
    let too_long = oldest > rules.max_wait && count.booting == 0;
    too_long.then_some((1, Need::WaitsTooLong { waiting, oldest, max_wait: rules.max_wait }))
}

/// What the work that waits asks for: `⌈max(0, S − max(0, K)) / (c·max(M−β, mean d))⌉`, bounded.
fn by_work(rules: &Rules, demand: &Demand, count: &Count) -> u64 {
    let c = u64::from(demand.slots.max(1));
    let missing = u128::from(demand.total_work.0).saturating_sub(u128::try_from(count.takes).unwrap_or(0));
    let each = u128::from(c) * u128::from(rules.max_wait.0.saturating_sub(demand.startup_time_p90.0).max(mean(demand)));
    let n = u64::try_from(missing.div_ceil(each)).unwrap_or(u64::MAX);
    let useful = demand.waiting.div_ceil(c).saturating_sub(count.booting);
    let at_once = BOOT_AT_ONCE.max(count.present).saturating_sub(count.booting);
    n.min(useful).min(at_once)
}

/// Draining workers come back before anything is launched. Only those that still run something: one that runs nothing
/// has been told to go already.
fn grow(missing: u32, need: Need, demand: &Demand, fleet: &[FleetMember]) -> ScalingPlan {
    let runs = |member: &&FleetMember| matches!(&member.state, MemberState::Busy(runs) if !runs.is_empty());
    let coming_back = fleet.iter().filter(|member| member.draining && !member.self_registered).filter(runs);
    let undrain: Vec<_> = coming_back.map(|member| member.worker).take(missing as usize).collect();
    let kept = u32::try_from(undrain.len()).unwrap_or(u32::MAX);
    let launched = (missing - kept).min(demand.may_launch);
    let reason = (launched > 0 || kept > 0).then_some(ScaleReason::Grown { launched, kept, need });
    ScalingPlan { launch: launched, undrain, reason, ..ScalingPlan::default() }
}

/// Workers beyond the maximum take no new work at once; what they run ends as it would have.
fn obey_maximum(rules: &Rules, fleet: &[FleetMember], all: u64) -> ScalingPlan {
    let mut members: Vec<&FleetMember> =
        fleet.iter().filter(|member| !member.draining && !member.self_registered).collect();
    members.sort_by_key(|member| {
        let harm = match member.state {
            MemberState::Idle(_) => 0,
            MemberState::Launching => 1,
            MemberState::Busy(_) => 2,
        };
        (harm, order(member))
    });
    let beyond = usize::try_from(all - u64::from(rules.max_workers)).unwrap_or(usize::MAX);
    let drain: Vec<_> = members.iter().take(beyond).map(|member| member.worker).collect();
    if drain.is_empty() {
        return ScalingPlan::default(); // all of them dialled in by themselves
    }
    let reason = ScaleReason::OverMaximum { released: number(&drain), max: rules.max_workers, present: all };
    ScalingPlan { drain, reason: Some(reason), ..ScalingPlan::default() }
}

fn let_idle_go(rules: &Rules, demand: &Demand, fleet: &[FleetMember], all: u64, now: Age) -> ScalingPlan {
    let idle_for = |member: &FleetMember| match member.state {
        MemberState::Idle(since) if !member.draining => Some(now.since(since)),
        _ => None,
    };
    let idle = fleet.iter().filter(|member| idle_for(member).is_some()).count() as u64;
    // Those that waiting work is about to be given to stay: they would be launched again at once.
    let needed = demand.waiting.div_ceil(u64::from(demand.slots.max(1)));
    let spare = all.saturating_sub(rules.min_workers.into()).min(idle.saturating_sub(needed));
    let long_idle = |member: &&FleetMember| idle_for(member).is_some_and(|time| time >= rules.idle_timeout);
    let mut victims: Vec<&FleetMember> =
        fleet.iter().filter(|member| !member.self_registered).filter(long_idle).collect();
    victims.sort_by_key(|member| order(member));
    let drain: Vec<_> =
        victims.iter().map(|member| member.worker).take(usize::try_from(spare).unwrap_or(usize::MAX)).collect();
    if drain.is_empty() {
        return ScalingPlan::default();
    }
    let reason = ScaleReason::Idle { released: number(&drain), after: rules.idle_timeout };
    ScalingPlan { drain, reason: Some(reason), ..ScalingPlan::default() }
}

/// Who goes first: the one with the fewest installed activities, then the oldest.
fn order(member: &FleetMember) -> impl Ord + use<> {
    (member.installed, member.created_at, member.worker)
}

fn number(of: &[WorkerId]) -> u32 {
    u32::try_from(of.len()).unwrap_or(u32::MAX)
}

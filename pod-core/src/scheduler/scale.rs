//! The size of the fleet: the formula of `docs/autoscaling.md`.

use std::cmp::Reverse;

use super::{Demand, FleetMember, MemberState, Scale};
use crate::domain::{Millis, Rules, Timestamp};

pub(super) fn scale(rules: &Rules, demand: &Demand, fleet: &[FleetMember], now: Timestamp) -> Scale {
    let total = u32::try_from(fleet.iter().filter(|member| !member.draining).count()).unwrap_or(u32::MAX);
    let (wanted, why) = wanted(rules, demand, fleet, total, now);
    let capped = wanted.min(rules.max_workers.saturating_sub(total));
    if capped > 0 {
        return grow(capped, &why, demand, fleet);
    }
    shrink(rules, fleet, total, wanted > 0, now)
}

/// How many workers are missing before the caps, and why.
fn wanted(rules: &Rules, demand: &Demand, fleet: &[FleetMember], total: u32, now: Timestamp) -> (u32, String) {
    if total < rules.min_workers {
        let missing = rules.min_workers - total;
        return (missing, format!("the policy wants at least {} and there are {total}", rules.min_workers));
    }
    if demand.waiting == 0 {
        return (0, String::new());
    }
    if total == 0 {
        return (1, format!("{} waiting and no worker there", demand.waiting));
    }
    let launching = fleet.iter().filter(|member| matches!(member.state, MemberState::Launching) && !member.draining);
    let launching: Vec<&FleetMember> = launching.collect();
    let booting = launching.len() as u64;
    let (c, m) = (u64::from(demand.slots.max(1)), rules.max_wait.0);
    let mean = (demand.work.0 / demand.waiting).max(1);
    // K: what the fleet takes within M, booting workers included.
    let mut takes: u64 = 0;
    for member in fleet.iter().filter(|member| !member.draining) {
        takes += match &member.state {
            MemberState::Idle(_) => m * c,
            MemberState::Busy(left) => (m * c).saturating_sub(left.iter().map(|left| left.0.min(m)).sum()),
            MemberState::Launching => {
                let left = demand.boot.0.saturating_sub(now.since(member.created_at).0);
                c * if left < m { m - left } else { mean }
            }
        };
    }
    let missing = demand.work.0.saturating_sub(takes);
    let each = (c * m.saturating_sub(demand.boot.0).max(mean)).max(1);
    let mut n = missing.div_ceil(each).min(demand.waiting.div_ceil(c).saturating_sub(booting));
    let present = u64::from(total) - booting;
    n = n.min(5.max(present).saturating_sub(booting));
    let waited = demand.oldest.map_or(Millis(0), |oldest| now.since(oldest));
    if n == 0 && waited > rules.max_wait && booting == 0 {
        n = 1;
    }
    let why = format!("{} waiting, about {} of work, the oldest for {waited}", demand.waiting, demand.work);
    (u32::try_from(n).unwrap_or(u32::MAX), why)
}

/// Draining workers come back before anything is launched.
fn grow(wanted: u32, why: &str, demand: &Demand, fleet: &[FleetMember]) -> Scale {
    let draining = fleet.iter().filter(|member| member.draining && !member.external);
    let undrain: Vec<_> = draining.map(|member| member.worker).take(wanted as usize).collect();
    let back = u32::try_from(undrain.len()).unwrap_or(u32::MAX);
    let launch = (wanted - back).min(demand.may_launch);
    let plural = |n: u32| if n == 1 { "1 worker".to_owned() } else { format!("{n} workers") };
    let reason = match (launch, back) {
        (0, 0) => String::new(),
        (0, back) => format!("Kept {} that was to go: {why}.", plural(back)),
        (launch, 0) => format!("Launched {}: {why}.", plural(launch)),
        (launch, back) => format!("Launched {} and kept {}: {why}.", plural(launch), plural(back)),
    };
    Scale { launch, undrain, reason, ..Scale::default() }
}

fn shrink(rules: &Rules, fleet: &[FleetMember], total: u32, growing: bool, now: Timestamp) -> Scale {
    let mut members: Vec<&FleetMember> = fleet.iter().filter(|member| !member.draining && !member.external).collect();
    let rank = |member: &FleetMember| match member.state {
        MemberState::Launching => 0,
        MemberState::Idle(_) => 1,
        MemberState::Busy(_) => 2,
    };
    members.sort_by_key(|member| (rank(member), member.installed, member.created_at, Reverse(member.worker)));
    let beyond = total.saturating_sub(rules.max_workers) as usize;
    if beyond > 0 {
        let drain: Vec<_> = members.iter().take(beyond).map(|member| member.worker).collect();
        let most = rules.max_workers;
        let reason = format!("Let {} go: the policy allows at most {most} and there were {total}.", drain.len());
        return if drain.is_empty() { Scale::default() } else { Scale { drain, reason, ..Scale::default() } };
    }
    if growing {
        return Scale::default();
    }
    let spare = total.saturating_sub(rules.min_workers) as usize;
    let idle = |member: &&&FleetMember| match member.state {
        MemberState::Idle(since) => now.since(since) >= rules.termination_time,
        _ => false,
    };
    let drain: Vec<_> = members.iter().filter(idle).take(spare).map(|member| member.worker).collect();
    if drain.is_empty() {
        return Scale::default();
    }
    let reason = format!("Let {} go after {} without work.", drain.len(), rules.termination_time);
    Scale { drain, reason, ..Scale::default() }
}

//! The size of the fleet: what the scheduler wants becomes workers that are launched and let go.

use super::{advice::Slips, decision::Decision, revision::RevisionState, state::State, worker::WorkerState};
use crate::{
    api::FleetPreview,
    domain::{
        ActivityStatus, EventDetail, EventKind, InstallationStatus, Isolation, Millis, Revision, RevisionStatus, Rules,
        ScaleReason, ScalingDecision, Worker, WorkerId, WorkerReason, WorkerStatus,
    },
    scheduler::{Demand, FleetMember, MemberState, ScalingPlan},
    store::Change,
};

/// How long a run is taken to be while that is unknown.
const UNKNOWN_RUN: u64 = 60_000;
/// How often the size is looked at when nothing else asks for it.
const INTERVAL: Millis = Millis::from_secs(1);
/// How often it is looked at while executions begin and end, and nothing else happens.
pub(super) const INTERVAL_OF_REPORTS: Millis = Millis(100);

impl State {
    /// Launches and lets go.
    pub(super) fn size(&mut self, out: &mut Decision) {
        let pause = match (out.is_empty() && !self.due.size_owed, out.has_more_than_reports) {
            (true, _) => INTERVAL,
            (false, false) => INTERVAL_OF_REPORTS,
            (false, true) => Millis(0),
        };
        if self.due.sized_at.is_some_and(|at| self.now < at + pause) {
            self.due.size_owed |= !out.is_empty();
            return;
        }
        (self.due.sized_at, self.due.size_owed) = (Some(self.now), false);
        for (isolation, scale) in self.wanted(&self.rules(), self.may_launch(), &mut out.slips) {
            self.carry_out(isolation, scale, out);
        }
    }

    /// What those rules would do to the fleet as it is now.
    pub(super) fn preview(&self, rules: Rules) -> FleetPreview {
        let fleet: Vec<FleetMember> = self.workers.values().filter_map(|worker| self.member(worker)).collect();
        // Applying a policy forgets earlier refusals to launch.
        let (mut scale, mut reasons) = (ScalingPlan::default(), Vec::new());
        for (_, part) in self.wanted(&rules, u32::MAX, &mut Slips::new()) {
            scale.launch += part.launch;
            scale.drain.extend(part.drain);
            scale.undrain.extend(part.undrain);
            reasons.extend(part.reason);
        }
        let running: usize =
            scale.drain.iter().filter_map(|id| self.workers.get(id)).map(|worker| worker.attempts.len()).sum();
        FleetPreview {
            rules,
            launch: scale.launch,
            running: u32::try_from(running).unwrap_or(u32::MAX),
            drain: scale.drain,
            undrain: scale.undrain,
            workers: u32::try_from(fleet.iter().filter(|member| !member.draining).count()).unwrap_or(u32::MAX),
            reasons,
        }
    }

    fn carry_out(&mut self, isolation: Isolation, scale: ScalingPlan, out: &mut Decision) {
        if scale.launch == 0 && scale.drain.is_empty() && scale.undrain.is_empty() {
            return;
        }
        for id in &scale.undrain {
            if let Some(state) = self.workers.get_mut(id) {
                state.worker.draining = false;
                out.change(Change::PutWorker(state.worker.clone()));
            }
            self.settle(*id, out);
        }
        let reason = scale.reason.unwrap_or_else(|| ScaleReason::Said { sentence: "no reason was told".into() });
        for id in &scale.drain {
            self.drain(*id, WorkerReason::Scaled { why: reason.clone() }, out);
        }
        for _ in 0..scale.launch {
            self.launch(isolation, &reason, out);
        }
        out.launched += scale.launch;
        out.event(self.wall(), EventKind::Scaled).detail = Some(EventDetail::Scaled { why: reason.clone() });
        let decision = ScalingDecision { at: self.wall(), launch: scale.launch, drain: scale.drain, reason };
        out.change(Change::RecordDecision(decision));
    }

    /// Writes the intent before the provisioner is asked.
    fn launch(&mut self, isolation: Isolation, why: &ScaleReason, out: &mut Decision) {
        self.ids.worker += 1;
        let worker = Worker {
            id: WorkerId(self.ids.worker),
            status: WorkerStatus::Launching,
            slots: self.config.limits.slots,
            draining: false,
            created_at: self.wall(),
            ready_at: None,
            last_seen: None,
            last_worked: None,
            ended_at: None,
            gone: None,
            reason: Some(WorkerReason::Scaled { why: why.clone() }),
            destroy_error: None,
            backend: Some(self.config.backend.clone()),
            host: None,
            self_registered: false,
            isolation,
            incarnation: None,
        };
        out.change(Change::PutWorker(worker.clone()));
        let event = out.event(self.wall(), EventKind::WorkerChanged);
        let detail = EventDetail::Worker { status: worker.status, reason: None };
        (event.worker, event.detail) = (Some(worker.id), Some(detail));
        let id = worker.id;
        self.workers.insert(id, WorkerState::new(worker, self.now));
        self.ask_for(id, out);
    }

    /// Workers that are there or come, as the scheduler sees them.
    pub(super) fn member(&self, state: &WorkerState) -> Option<FleetMember> {
        use WorkerStatus::{Launching, Pending};
        if state.worker.status.is_terminal() || state.asked_to_go {
            return None;
        }
        let member = match state.worker.status {
            Launching | Pending => MemberState::Launching,
            _ if state.attempts.is_empty() && !self.prepares(state) => MemberState::Idle(state.idle_since),
            _ => MemberState::Busy(state.attempts.iter().map(|key| self.left_of(*key)).collect()),
        };
        Some(FleetMember {
            worker: state.worker.id,
            state: member,
            draining: state.worker.draining,
            self_registered: state.worker.self_registered,
            created_at: state.made,
            installed: state.installations.len(),
        })
    }

    /// Whether it installs something at the moment.
    fn prepares(&self, state: &WorkerState) -> bool {
        state.installations.values().any(|installation| installation.status == InstallationStatus::Installing)
    }

    fn left_of(&self, key: crate::domain::AttemptKey) -> Millis {
        let Some(held) = self.held.get(&key.execution) else { return Millis(0) };
        let expected = self.activities.get(&held.execution.activity).and_then(super::ActivityState::expected);
        let run = held.began.map_or(Millis(0), |began| self.now.since(began));
        Millis(expected.map_or(UNKNOWN_RUN, |expected| expected.0).saturating_sub(run.0))
    }

    /// `β`: from launch to hello, 90th percentile of the workers that are remembered; a second while there are none.
    fn boot_time(&self) -> Millis {
        let boots = self.workers.values().filter(|state| !state.worker.self_registered);
        let mut boots: Vec<Millis> = boots.filter_map(|state| state.boot).collect();
        boots.sort_unstable();
        boots.get((boots.len() * 9).div_ceil(10).saturating_sub(1)).copied().unwrap_or(Millis(1000))
    }

    /// How many launches are allowed right now.
    fn may_launch(&self) -> u32 {
        if self.due.launch_at > self.now { 0 } else { u32::MAX }
    }

    /// The work that waits for workers of one kind, from counters: O(activities), not O(queue).
    pub(super) fn demand(&self, isolation: Isolation) -> Demand {
        let mut demand =
            Demand { slots: self.config.limits.slots, startup_time_p90: self.boot_time(), ..Demand::default() };
        for (_, activity) in self.activities.awake() {
            if activity.activity.status == ActivityStatus::Uninstalling {
                continue;
            }
            let mut waiting = 0;
            let here = |state: &&RevisionState| self.isolation(&state.revision.settings) == isolation;
            for state in activity.revisions.values().filter(here) {
                let Revision { status, settings, sha256, .. } = &state.revision;
                match (status, state.queue.first_due(self.now)) {
                    (RevisionStatus::Verifying, _) => waiting += u64::from(sha256.is_some()),
                    (RevisionStatus::Approved, Some(first)) => {
                        let limit = settings.max_concurrency.unwrap_or(u32::MAX);
                        let may_run = state.queue.waiting().min(u64::from(limit.saturating_sub(activity.running)));
                        waiting += may_run;
                        if may_run > 0 {
                            let since = first.not_before;
                            demand.oldest = Some(demand.oldest.map_or(since, |oldest| oldest.min(since)));
                        }
                    }
                    _ => {}
                }
            }
            let run = activity.expected().map_or(UNKNOWN_RUN, |expected| expected.0.max(1));
            demand.waiting += waiting;
            demand.total_work = Millis(demand.total_work.0.saturating_add(waiting.saturating_mul(run)));
        }
        demand
    }
}

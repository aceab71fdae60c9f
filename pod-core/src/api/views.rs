//! What the handle answers with.

use super::explanation::StatusReason;
use crate::{
    domain::{
        Activity, ActivityId, AttemptKey, ClockChange, Execution, ExecutionId, Installation, Millis, MinuteBucket,
        PolicyId, Revision, RevisionNo, RevisionStatus, Rules, ScaleReason, Timestamp, WaitHistogram, Worker, WorkerId,
    },
    provisioner::ProvisionErrorKind,
};
use std::{collections::BTreeMap, sync::Arc};

/// An activity with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityView {
    /// The activity.
    pub activity: Activity,
    /// Its installations, of all revisions, on all workers.
    pub installations: Vec<Installation>,
    /// Its executions by status, in the order of [`crate::domain::ExecutionStatus::ALL`].
    pub counts: [u64; 6],
    /// How long a run is expected to take; known after two.
    pub expected_duration: Option<Millis>,
    /// Why its newest revision is not verified yet; none when it is, or was rejected.
    pub pending_reasons: Vec<StatusReason>,
    /// The same for every revision that is being verified.
    pub verifying: BTreeMap<RevisionNo, Vec<StatusReason>>,
    /// How long its last runs took, oldest first; at most 50.
    pub recent_durations: Vec<Millis>,
    /// Its revisions that are kept, oldest first: at most the last 200, and the one that serves.
    pub revisions: Vec<Revision>,
}

impl ActivityView {
    /// The number of the newest revision, whatever it was registered for.
    #[must_use]
    pub fn newest_revision(&self) -> RevisionNo {
        self.revisions.last().map_or(RevisionNo(0), |revision| revision.no)
    }

    /// Tells what the activity is from what it was before a change and will be after the next. What merely becomes of it
    /// (installations, counts, revisions for executions of one's own) does not change it.
    #[must_use]
    pub fn version(&self) -> String {
        let newest = self.revisions.iter().find(|revision| revision.no == self.activity.latest);
        newest.map_or_else(|| format!("{}.{}", self.activity.id, self.activity.latest), Revision::version)
    }

    /// The value that a variable of its environment has, for a change that leaves it as it is without naming it: that of
    /// the newest revision that was not rejected, else of the one that serves, else of the newest.
    #[must_use]
    pub fn env_value(&self, name: &str) -> Option<&str> {
        let newest = self.revisions.iter().rev();
        let standing = newest.clone().find(|revision| revision.status != RevisionStatus::Rejected);
        [standing.map(|revision| &revision.settings), Some(&self.activity.settings)]
            .into_iter()
            .chain(newest.take(1).map(|revision| Some(&revision.settings)))
            .flatten()
            .find_map(|settings| settings.env.get(name))
            .map(String::as_str)
    }
}

/// A worker with what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerView {
    /// The worker.
    pub worker: Worker,
    /// The attempts assigned to it.
    pub attempts: Vec<AttemptKey>,
    /// Its installations.
    pub installations: Vec<Installation>,
}

/// An accepted execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// Its id.
    pub id: ExecutionId,
    /// The execution as it stands after this request.
    pub execution: Execution,
    /// Whether the fleet was grown because of it.
    pub launching_worker: bool,
    /// How long until it is expected to finish; known after two runs of its activity.
    pub eta: Option<Millis>,
    /// The same request was accepted before under the same idempotency key: this is that execution.
    pub deduplicated: bool,
}

/// Workers by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetCount {
    /// Asked for.
    pub launching: u32,
    /// Created, not yet connected.
    pub pending: u32,
    /// Idle.
    pub ready: u32,
    /// Running executions.
    pub working: u32,
    /// Silent.
    pub unreachable: u32,
    /// Being let go.
    pub draining: u32,
    /// Lost or failed, as far as remembered.
    pub failed: u32,
    /// Gone as they should be, as far as remembered.
    pub terminated: u32,
    /// Slots of connected workers.
    pub slots: u32,
    /// Executions that run.
    pub busy_slots: u32,
}

/// The whole in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Executions by status, in the order of [`crate::domain::ExecutionStatus::ALL`].
    pub counts: [u64; 6],
    /// When the execution that waits longest was submitted, as far as it is in memory.
    pub oldest_waiting: Option<Timestamp>,
    /// The fleet.
    pub fleet: FleetCount,
    /// How many workers the active policy wants at the moment at least and at most.
    pub desired: (u32, u32),
    /// The active policy.
    pub policy: PolicyId,
    /// Activities that are rejected, or failing to install somewhere.
    pub failing_activities: Vec<ActivityId>,
    /// Why new submits are refused, when they are: a full disk, a store that does not answer.
    pub degraded_reason: Option<Arc<str>>,
    /// What happened in the minutes of the last hour, oldest first; minutes without anything are left out.
    pub minutes: Vec<MinuteBucket>,
    /// How executions ended in the last 24 hours: finished, failed, terminated, timed out.
    pub ended_last_24h: [u64; 4],
    /// How long those waited that began to run in the last hour.
    pub waits: WaitHistogram,
    /// Why the last launch of a worker failed, until one succeeds.
    pub launch_failure: Option<LaunchFailure>,
    /// How the system's clock was set last, within the last 24 hours.
    pub clock: Option<ClockChange>,
}

/// What applying rules would do to the fleet as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetPreview {
    /// The rules, understood.
    pub rules: Rules,
    /// So many workers would be launched at once.
    pub launch: u32,
    /// These would be let go when what they run has ended.
    pub drain: Vec<WorkerId>,
    /// How many executions run on those now; they would end first.
    pub running: u32,
    /// These, which are being let go, would stay.
    pub undrain: Vec<WorkerId>,
    /// How many workers there are now, those that are being let go left aside.
    pub workers: u32,
    /// Why, for each kind of workers; none when nothing would change.
    pub reasons: Vec<ScaleReason>,
}

/// Why the last launch failed, until one succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaunchFailure {
    /// The sentence.
    pub reason: Arc<str>,
    /// What is in the way.
    pub kind: ProvisionErrorKind,
    /// It will be the same as long as nobody changes something.
    pub lasting: bool,
    /// When a launch is tried again, if one is needed then.
    pub retry_at: Timestamp,
}

//! The objects of `/api/v1`, as far as clients read them. Unknown members are ignored, so that newer managers
//! can say more.

use std::collections::BTreeMap;

use pod_core::domain::ExecutionStatus;
use serde::{Deserialize, Serialize};

/// A page of a list.
#[derive(Clone, Debug, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<String>,
}

/// An activity.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// Its identity.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `verifying`, `approved`, `rejected` or `uninstalling`.
    pub status: String,
    /// The revision that executions run.
    pub revision: u64,
    /// The newest revision; another one while it is verified, or when it was rejected.
    pub latest_revision: u64,
    /// Why its newest revision was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
    /// Why its newest revision is not verified yet, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// Its executions by status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executions: Option<StatusCounts>,
    /// Everything else that the manager tells.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// An installation that failed and will be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedInstallation {
    /// How often it failed.
    pub tries: u64,
    /// Why.
    pub error: String,
}

impl Activity {
    /// Whether it was made of a directory, as `pod run` does.
    #[must_use]
    pub fn is_of_directory(&self) -> bool {
        self.more.get("source").is_some_and(|source| source == "directory")
    }
}

/// A revision of an activity.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The name of the activity.
    pub activity: String,
    /// Its number.
    pub revision: u32,
    /// `verifying`, `approved`, `rejected` or `uninstalling`.
    pub status: String,
    /// Why it was rejected.
    pub error_description: Option<String>,
    /// Why it is not verified yet, in sentences.
    #[serde(default)]
    pub waits_for: Vec<String>,
    /// The workers where it is installed, or will be.
    #[serde(default)]
    pub installations: Vec<Installation>,
}

/// A revision on a worker.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Installation {
    /// `pending`, `installing`, `installed`, `failed` or `removing`.
    pub status: String,
    /// Why it failed.
    pub error_description: Option<String>,
    /// How often it failed.
    pub tries: u64,
}

impl Revision {
    /// What keeps it from being installed, if something does that may pass.
    #[must_use]
    pub fn failed_installation(&self) -> Option<FailedInstallation> {
        let failed = self.installations.iter().find(|one| one.status == "failed")?;
        Some(FailedInstallation { tries: failed.tries, error: failed.error_description.clone()? })
    }
}

/// Executions by status.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusCounts {
    /// In the queue.
    pub waiting: u64,
    /// Given to a worker.
    pub running: u64,
    /// Ended well.
    pub finished: u64,
    /// Ended otherwise.
    pub failed: u64,
    /// Ended because someone asked.
    pub terminated: u64,
    /// Ended because their time was up.
    pub timed_out: u64,
}

/// Everything in numbers.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// Executions by status.
    pub executions: StatusCounts,
    /// When the execution that waits longest was submitted.
    pub oldest_waiting_at: Option<jiff::Timestamp>,
    /// Workers by status.
    pub workers: Fleet,
    /// Where executions run: `local`, `docker` or `swarm`; not known of an older manager, or one that is embedded.
    pub backend: Option<String>,
    /// A fingerprint of how containers are made, where executions run in some.
    pub containers: Option<String>,
    /// Why new executions are refused, when they are.
    pub trouble: Option<String>,
    /// Why the last launch of a worker failed, until one succeeds.
    pub launch_refusal: Option<LaunchRefusal>,
    /// How the clock of the manager's machine was set last, within the last 24 hours.
    pub clock: Option<ClockChange>,
}

/// The clock of the manager's machine was set.
#[derive(Clone, Debug, Deserialize)]
pub struct ClockChange {
    /// All of it as a sentence, without its end.
    pub message: String,
}

/// A launch that failed.
#[derive(Clone, Debug, Deserialize)]
pub struct LaunchRefusal {
    /// The sentence, without its end.
    pub reason: String,
    /// Trying again leads to the same until somebody changes something.
    pub lasting: bool,
}

/// Workers by status.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fleet {
    /// Wanted, not yet connected.
    pub launching: u32,
    /// Created, not yet connected.
    pub pending: u32,
    /// Idle.
    pub ready: u32,
    /// Running executions.
    pub working: u32,
    /// Silent.
    pub unreachable: u32,
    /// Draining.
    pub draining: u32,
    /// How many executions they can run at a time.
    pub slots: u32,
    /// How many they run.
    pub busy_slots: u32,
}

/// An execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    /// Its identity.
    pub id: u64,
    /// The name of its activity.
    pub activity: String,
    /// Where it stands.
    pub status: Status,
    /// What the program exited with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Why it failed, where POD could not run it or gave it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The argument of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// When it was accepted.
    pub submitted_at: jiff::Timestamp,
    /// When its latest attempt began to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<jiff::Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<jiff::Timestamp>,
    /// The number of its latest attempt, 0 before the first.
    pub attempt: u32,
    /// The worker of its latest attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<u64>,
    /// Everything else that the manager tells.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// The word for where an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Status(pub ExecutionStatus);

impl Status {
    /// Whether it will never change again.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        self.0.is_terminal()
    }

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0.as_str()
    }
}

/// The ids of a batch, in the order of its inputs.
#[derive(Clone, Debug, Deserialize)]
pub struct BatchIds {
    /// One id per input.
    pub ids: Vec<u64>,
}

/// The outcome of one page of a bulk action.
#[derive(Clone, Debug, Deserialize)]
pub struct BulkOutcome {
    /// What is being terminated, or the new executions.
    pub ids: Vec<u64>,
    /// How many were not as expected any more, or refused.
    pub refused: u64,
    /// Why the first of those was.
    pub reason: Option<String>,
    /// The cursor of the next portion; nothing after the last one.
    pub next: Option<String>,
}

/// Why an execution is where it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// Sentences, the most telling first.
    pub sentences: Vec<String>,
    /// Everything else that the manager tells.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// A worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Its identity.
    pub id: u64,
    /// Where it stands.
    pub status: String,
    /// How many executions it runs at a time.
    pub slots: u32,
    /// Its host name or address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// When something of it last arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<jiff::Timestamp>,
    /// The attempts that are assigned to it.
    pub attempts: Vec<serde_json::Value>,
    /// Why it was launched, let go or lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Everything else that the manager tells.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// A policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// Its identity.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Whether it is the active one.
    pub active: bool,
    /// Its rules.
    pub rules: BTreeMap<String, String>,
    /// Everything else that the manager tells.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

//! What `/api/v1` answers with, as far as clients look at it. Unknown members are ignored, so that newer managers
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
    /// The newest revision, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_revision: Option<u64>,
    /// Why its newest revision was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
    /// Everything else that the manager tells.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
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

/// Why an execution is where it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// Sentences, the most telling first.
    #[serde(alias = "sentences")]
    pub reasons: Vec<String>,
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
    pub last_seen: Option<jiff::Timestamp>,
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

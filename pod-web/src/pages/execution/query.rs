//! The query of an execution's page.

use pod_core::domain::ExecutionId;
use serde::Deserialize;

use crate::failure::Failure;

/// The query parameters.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ExecutionPageQuery {
    /// `merged`, `stdout`, `stderr`.
    #[serde(default)]
    pub(super) view: String,
    /// Another attempt than the latest.
    pub(super) attempt: Option<u32>,
    /// The part that holds this line.
    pub(super) line: Option<u64>,
    /// This part.
    pub(super) part: Option<usize>,
    /// Lines that hold this text.
    #[serde(default)]
    pub(super) q: String,
    /// `on`: each line with the time it came.
    #[serde(default)]
    pub(super) times: String,
    /// Everything but the output.
    pub(super) head: Option<String>,
}

impl ExecutionPageQuery {
    pub(super) fn shows_times(&self) -> bool {
        self.times == "on"
    }
}

/// The number of an execution, as it stands in an address.
pub(super) fn id_of(text: &str) -> Result<ExecutionId, Failure> {
    let id = text.parse().ok().filter(|id: &ExecutionId| id.0 < i64::MAX as u64);
    id.ok_or_else(|| Failure::missing(format!("Executions are named by numbers; {text:?} is none.")))
}

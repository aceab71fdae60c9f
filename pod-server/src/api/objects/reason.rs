//! Reasons for a state: a code for programs, a sentence for people.

use pod_core::StatusReason;
use serde::Serialize;
use utoipa::ToSchema;

/// One reason why an execution waits, or why a revision is still being verified.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatusReason)]
pub(crate) struct ReasonObject {
    /// A word for programs: `slotsBusy`, `notBefore`, `workerLaunching` and the like. There may be new ones.
    code: &'static str,
    /// The sentence.
    message: String,
}

impl From<&StatusReason> for ReasonObject {
    fn from(reason: &StatusReason) -> Self {
        Self { code: reason.code(), message: reason.to_string() }
    }
}

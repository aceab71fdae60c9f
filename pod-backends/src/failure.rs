//! Errors of the system as sentences.

use pod_core::provisioner::ProvisionError;

/// An error of the system as a sentence.
pub(crate) fn failed(what: impl std::fmt::Display, error: impl std::fmt::Display) -> ProvisionError {
    ProvisionError::new(format!("{what}: {error}"))
}

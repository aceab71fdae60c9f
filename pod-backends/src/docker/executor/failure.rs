//! Why an installation failed, by who is at fault: only what is the activity's own doing stays so.

use std::io;

use pod_core::{executor::InstallError, provisioner::ProvisionError};

/// It would fail the next time too.
pub(super) fn lasting(message: impl Into<String>) -> InstallError {
    InstallError { message: message.into(), permanent: true }
}

/// It may go well the next time.
pub(super) fn passing(message: impl Into<String>) -> InstallError {
    InstallError { message: message.into(), permanent: false }
}

/// The worker's own files.
pub(super) fn disk(error: &io::Error) -> InstallError {
    passing(format!("the worker could not write the installation to its disk: {error}"))
}

/// The engine.
pub(super) fn provision(error: ProvisionError) -> InstallError {
    passing(error.message)
}

//! What all handles of a store share.

use std::path::PathBuf;

use pod_core::domain::StoreId;

use super::{
    install_log::InstallLogs,
    output::{OpenAttempts, OutputFiles},
    reserve::Reserve,
};

/// The files of a store, and what is known of them.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: StoreId,
    pub(super) path: PathBuf,
    pub(super) open: OpenAttempts,
    pub(super) files: OutputFiles,
    pub(super) logs: InstallLogs,
    pub(super) reserve: Reserve,
}

//! The state that all handlers share.

use std::sync::Arc;

use pod_core::{Limits, Pod};
use pod_web::{BasePath, Web};
use tokio_util::sync::CancellationToken;

use super::logs::ManagerLogs;
use crate::{
    api::objects::overview::Backend, auth::Access, guard::hosts::Hosts, metrics::Metrics, worker_link::WorkerLink,
};

/// The state of the HTTP side of a manager.
#[derive(Debug)]
pub struct App {
    /// What everything is asked of.
    pub pod: Pod,
    /// The limits that the pod was started with.
    pub limits: Limits,
    /// Where executions run.
    pub(crate) backend: Backend,
    /// The tokens that are asked for.
    pub access: Access,
    /// What a proxy puts before every path.
    pub base_path: BasePath,
    /// The host names that are answered to.
    pub hosts: Hosts,
    /// What `logs` shows.
    pub logs: ManagerLogs,
    /// How workers come in over HTTP.
    pub link: WorkerLink,
    /// The metrics.
    pub(crate) metrics: Arc<Metrics>,
    /// The dashboard.
    pub web: Arc<Web>,
    /// Cancelled at shutdown: followers are disconnected.
    pub shutdown: CancellationToken,
}

impl App {
    /// The largest JSON body that holds a script: escaped, a byte may take two, a control character six.
    pub(crate) fn max_script_body(&self) -> usize {
        self.limits.max_payload * 2
    }
}

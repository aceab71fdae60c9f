//! Background jobs for bulk actions on executions. A page shows their progress.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pod_core::{
    BulkOutcome, Pod, PodError,
    domain::{ExecutionId, RetryRevision, Timestamp},
    store::{ExecutionQuery, StoreError},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::sentence::{as_sentence, sentence};

/// Jobs that are remembered, ended ones included.
const MAX_KEPT_JOBS: usize = 50;
/// Jobs that may run at a time.
const MAX_RUNNING_JOBS: usize = 4;
/// Executions per page of a job; between two pages other requests have their turn.
const PAGE_SIZE: usize = 500;
/// The delay before the next try when the manager is overloaded.
const OVERLOAD_RETRY_DELAY: Duration = Duration::from_secs(1);

/// The action of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BulkAction {
    Terminate,
    Retry,
}

/// An action and the executions that it applies to.
#[derive(Clone, Debug)]
pub(crate) struct BulkRequest {
    /// Identifies the form, so that sending it twice starts one job.
    pub(crate) id: String,
    pub(crate) action: BulkAction,
    pub(crate) query: ExecutionQuery,
    /// The number of executions when the user confirmed.
    pub(crate) total: u64,
    /// The list from which it was started.
    pub(crate) back: String,
}

/// The progress of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    pub(crate) refused: u64,
    /// Why the first was refused.
    pub(crate) why: Option<String>,
    /// The outcome, once it has ended.
    pub(crate) end: Option<Result<(), String>>,
}

/// A bulk action that runs in the background.
#[derive(Debug)]
pub(crate) struct BulkJob {
    pub(crate) request: BulkRequest,
    pub(crate) started_at: Timestamp,
    progress: watch::Sender<Progress>,
}

/// The running jobs, and the last that ended.
#[derive(Debug, Default)]
pub(crate) struct BulkJobs(Mutex<VecDeque<Arc<BulkJob>>>);

impl BulkJobs {
    /// Starts a job, or returns the one that this request started before; `None` while too many run.
    pub(crate) fn begin(&self, pod: &Pod, shutdown: &CancellationToken, request: BulkRequest) -> Option<Arc<BulkJob>> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = jobs.iter().find(|job| job.request.id == request.id) {
            return Some(job.clone());
        }
        if jobs.iter().filter(|job| job.progress().end.is_none()).count() >= MAX_RUNNING_JOBS {
            return None;
        }
        let job = Arc::new(BulkJob { request, started_at: pod.now(), progress: watch::Sender::default() });
        jobs.push_front(job.clone());
        jobs.truncate(MAX_KEPT_JOBS);
        let (working, pod, shutdown) = (job.clone(), pod.clone(), shutdown.clone());
        tokio::spawn(async move {
            let end = tokio::select! {
                end = working.carry_out(&pod) => end,
                () = shutdown.cancelled() => Err("The manager was stopped.".to_owned()),
            };
            working.progress.send_modify(|progress| progress.end = Some(end));
        });
        Some(job)
    }

    /// Finds a job by its id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<BulkJob>> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().find(|job| job.request.id == id).cloned()
    }
}

impl BulkJob {
    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Waits for the end, up to `limit`.
    pub(crate) async fn ended_within(&self, limit: Duration) -> Progress {
        let mut progress = self.progress.subscribe();
        let _ = tokio::time::timeout(limit, progress.wait_for(|progress| progress.end.is_some())).await;
        self.progress()
    }

    async fn carry_out(&self, pod: &Pod) -> Result<(), String> {
        let mut before = self.request.query.before;
        loop {
            match self.portion(pod, before).await {
                Ok(portion) => {
                    before = portion.next_cursor;
                    self.progress.send_modify(|progress| progress.add(&portion));
                    if before.is_none() {
                        return Ok(());
                    }
                }
                // A repeated page is not done twice.
                Err(PodError::Overloaded | PodError::Store(StoreError::Unavailable(_))) => {
                    tokio::time::sleep(OVERLOAD_RETRY_DELAY).await;
                }
                Err(error) => return Err(sentence(&error)),
            }
        }
    }

    async fn portion(&self, pod: &Pod, before: Option<ExecutionId>) -> Result<BulkOutcome, PodError> {
        let query = ExecutionQuery { before, limit: PAGE_SIZE, ..self.request.query.clone() };
        match self.request.action {
            BulkAction::Terminate => pod.terminate_matching(query).await,
            BulkAction::Retry => {
                pod.retry_matching(query, RetryRevision::Same, Some(&format!("page {}", self.request.id))).await
            }
        }
    }
}

impl From<BulkOutcome> for Progress {
    fn from(portion: BulkOutcome) -> Self {
        let mut progress = Self::default();
        progress.add(&portion);
        progress
    }
}

impl Progress {
    fn add(&mut self, portion: &BulkOutcome) {
        self.done += portion.done.len() as u64;
        self.refused += portion.failed;
        if let Some(why) = &portion.first_error {
            self.why.get_or_insert_with(|| as_sentence(why.clone()));
        }
    }
}

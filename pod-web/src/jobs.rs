//! What is done to many executions at once takes its time: it goes on by itself, and a page tells how far it has come.

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

/// How many are remembered.
const KEPT: usize = 50;
/// How many may be under way.
const AT_ONCE: usize = 4;
/// How many executions are asked for at a time; between two portions others have their turn.
const PORTION: usize = 500;
/// How long a manager that is overloaded is left alone.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Terminate,
    Retry,
}

/// What is to be done, to which executions.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// What a form that is sent twice has in common.
    pub(crate) id: String,
    pub(crate) act: Act,
    pub(crate) query: ExecutionQuery,
    /// How many there were when one was asked.
    pub(crate) total: u64,
    /// The list it was asked for on.
    pub(crate) back: String,
}

/// How far it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    pub(crate) refused: u64,
    /// Why the first was refused.
    pub(crate) why: Option<String>,
    /// It has ended, well or for this reason.
    pub(crate) end: Option<Result<(), String>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) order: Order,
    pub(crate) started_at: Timestamp,
    progress: watch::Sender<Progress>,
}

/// Those that are under way, and the last that ended.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Arc<Job>>>);

impl Jobs {
    /// Begins, unless the same was begun before; nothing while too many are under way.
    pub(crate) fn begin(&self, pod: &Pod, shutdown: &CancellationToken, order: Order) -> Option<Arc<Job>> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = jobs.iter().find(|job| job.order.id == order.id) {
            return Some(job.clone());
        }
        if jobs.iter().filter(|job| job.progress().end.is_none()).count() >= AT_ONCE {
            return None;
        }
        let job = Arc::new(Job { order, started_at: pod.now(), progress: watch::Sender::default() });
        jobs.push_front(job.clone());
        jobs.truncate(KEPT);
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

    /// One that is remembered.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Job>> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().find(|job| job.order.id == id).cloned()
    }
}

impl Job {
    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Waits for the end, not longer than so.
    pub(crate) async fn ended_within(&self, limit: Duration) -> Progress {
        let mut progress = self.progress.subscribe();
        let _ = tokio::time::timeout(limit, progress.wait_for(|progress| progress.end.is_some())).await;
        self.progress()
    }

    async fn carry_out(&self, pod: &Pod) -> Result<(), String> {
        let mut before = self.order.query.before;
        loop {
            match self.portion(pod, before).await {
                Ok(portion) => {
                    before = portion.next_cursor;
                    self.progress.send_modify(|progress| progress.add(&portion));
                    if before.is_none() {
                        return Ok(());
                    }
                }
                // What is asked for again is not done twice.
                Err(PodError::Overloaded | PodError::Store(StoreError::Unavailable(_))) => {
                    tokio::time::sleep(PATIENCE).await;
                }
                Err(error) => return Err(sentence(&error)),
            }
        }
    }

    async fn portion(&self, pod: &Pod, before: Option<ExecutionId>) -> Result<BulkOutcome, PodError> {
        let query = ExecutionQuery { before, limit: PORTION, ..self.order.query.clone() };
        match self.order.act {
            Act::Terminate => pod.terminate_matching(query).await,
            Act::Retry => {
                pod.retry_matching(query, RetryRevision::Same, Some(&format!("page {}", self.order.id))).await
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

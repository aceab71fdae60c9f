//! Executions: starting, awaiting, ending and looking at one.

use std::time::Duration;

use super::handle::{Pod, Result, ask};
use crate::{
    api::{Explanation, PodError, Reply, Request, Submitted, TerminationMode},
    domain::{
        Attempt, AttemptKey, AttemptNo, Execution, ExecutionId, NewExecution, OutputSummary, RetryRevision,
        RevisionChoice, Stream,
    },
    store::OutputSlice,
};

/// How many executions are started at once at most: all of them are in memory until they are committed.
pub const MAX_BATCH: usize = 100_000;

impl Pod {
    /// Starts an execution.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchActivity`], [`PodError::NotOpen`], [`PodError::NoSuchRevision`] and
    /// [`PodError::RevisionRejected`]; [`PodError::InvalidInput`]; [`PodError::IdempotencyConflict`] when the key
    /// stands for another request; and [`StoreError::Full`](crate::store::StoreError::Full), in which case it may be
    /// sent again when there is room.
    pub async fn start(&self, new: NewExecution) -> Result<ExecutionId> {
        Ok(self.submit(new).await?.id)
    }

    /// Starts an execution and tells more about it.
    ///
    /// # Errors
    ///
    /// As [`Pod::start`].
    pub async fn submit(&self, new: NewExecution) -> Result<Submitted> {
        ask!(self, Request::Submit(new), Reply::Submitted(submitted) => *submitted)
    }

    /// Starts one execution per input, all or none; their ids are contiguous, in the order of the inputs, of which there
    /// are at most [`MAX_BATCH`].
    ///
    /// # Errors
    ///
    /// As [`Pod::start`], for the first input that is wrong, with its number, as [`PodError::Invalid`]; so are too
    /// many inputs.
    pub async fn start_many(
        &self,
        activity: &str,
        inputs: Vec<Option<String>>,
        idempotency_key: Option<String>,
    ) -> Result<Vec<ExecutionId>> {
        self.start_many_of(activity, RevisionChoice::Current, inputs, idempotency_key).await
    }

    /// As [`Pod::start_many`], of a revision that is named.
    ///
    /// # Errors
    ///
    /// As [`Pod::start_many`].
    pub async fn start_many_of(
        &self,
        activity: &str,
        revision: RevisionChoice,
        inputs: Vec<Option<String>>,
        idempotency_key: Option<String>,
    ) -> Result<Vec<ExecutionId>> {
        if inputs.len() > MAX_BATCH {
            return Err(PodError::Invalid(format!(
                "{} inputs are too many; at most {MAX_BATCH} are taken at once",
                inputs.len()
            )));
        }
        let request = Request::SubmitMany { activity: activity.to_owned(), revision, inputs, idempotency_key };
        ask!(self, request, Reply::SubmittedMany(range) => range.map(ExecutionId).collect())
    }

    /// An execution as it stands.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`] when there is none of that id, or none any more.
    pub async fn execution(&self, id: ExecutionId) -> Result<Execution> {
        self.engine.store().execution(id).await?.ok_or(PodError::NoSuchExecution(id))
    }

    /// The attempts of an execution, oldest first; none before it was given to a worker.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`] when there is none of that id, or none any more.
    pub async fn attempts(&self, id: ExecutionId) -> Result<Vec<Attempt>> {
        let attempts = self.engine.store().attempts(id).await?;
        if attempts.is_empty() {
            self.execution(id).await?;
        }
        Ok(attempts)
    }

    /// Waits until an execution has ended. Cancellation safe: the execution goes on.
    ///
    /// ```
    /// # use pod_core::{Pod, PodError, domain::*, store::MemoryStore, testing::in_process::InProcess};
    /// # use std::time::Duration;
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), PodError> {
    /// # let pod = Pod::builder().store(MemoryStore::new()).backend(InProcess::new(|_| std::future::pending()));
    /// # let pod = pod.start().await?;
    /// # pod.put_activity(NewActivity::script("endless", "echo 'sleep inf' > main.sh")).await?;
    /// let run = pod.start(NewExecution::new("endless")).await?;
    /// // Whoever gives up waiting may end it, too.
    /// let done = match tokio::time::timeout(Duration::from_millis(20), pod.wait(run)).await {
    ///     Ok(done) => done?,
    ///     Err(_) => pod.terminate(run).await?,
    /// };
    /// assert_eq!(done.outcome, Some(Outcome::Terminated));
    /// # pod.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`] when there is none of that id, and why the POD ended when it does before.
    pub async fn wait(&self, id: ExecutionId) -> Result<Execution> {
        loop {
            // Subscribe before reading, so that an end between the two is not missed.
            let mut changes = self.engine.subscribe(id);
            let execution = self.execution(id).await?;
            if execution.status.is_terminal() {
                return Ok(execution);
            }
            changes.ended().await?;
        }
    }

    /// As [`Pod::wait`], for at most so long: the execution as it stands then.
    ///
    /// # Errors
    ///
    /// As [`Pod::wait`].
    pub async fn wait_for(&self, id: ExecutionId, limit: Duration) -> Result<Execution> {
        match tokio::time::timeout(limit, self.wait(id)).await {
            Ok(execution) => execution,
            Err(_) => self.execution(id).await,
        }
    }

    /// Asks for the end of an execution: at once when it waits, else its process tree gets TERM, and KILL after the
    /// grace time. Returns when the request is durable.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`], and [`PodError::AlreadyEnded`] when there is nothing to end.
    pub async fn request_termination(&self, id: ExecutionId) -> Result<Execution> {
        ask!(self, Request::Terminate(id, TerminationMode::Grace), Reply::Execution(execution) => *execution)
    }

    /// As [`Pod::request_termination`], with KILL at once; also where a termination is under way.
    ///
    /// # Errors
    ///
    /// As [`Pod::request_termination`].
    pub async fn request_kill(&self, id: ExecutionId) -> Result<Execution> {
        ask!(self, Request::Terminate(id, TerminationMode::Now), Reply::Execution(execution) => *execution)
    }

    /// Ends an execution and returns when its whole process tree is gone.
    ///
    /// # Errors
    ///
    /// As [`Pod::request_termination`] and [`Pod::wait`].
    ///
    /// # Cancellation safety
    ///
    /// A dropped future does not take the request back. [`Pod::wait`] waits on.
    pub async fn terminate(&self, id: ExecutionId) -> Result<Execution> {
        self.request_termination(id).await?;
        self.wait(id).await
    }

    /// Runs an ended execution again, as a new one, with the revision that it ran.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`], [`PodError::NotEnded`], [`PodError::ActivityGone`] and
    /// [`PodError::RevisionGone`]; and those of [`Pod::start`] that are about the activity.
    pub async fn retry(&self, id: ExecutionId) -> Result<Submitted> {
        self.retry_idempotent(id, RetryRevision::Same, None).await
    }

    /// As [`Pod::retry`], with a choice of the revision; with the same idempotency key again it is the same new
    /// execution.
    ///
    /// # Errors
    ///
    /// As [`Pod::retry`], and [`PodError::IdempotencyConflict`].
    pub async fn retry_idempotent(
        &self,
        id: ExecutionId,
        revision: RetryRevision,
        key: Option<String>,
    ) -> Result<Submitted> {
        ask!(self, Request::Retry(id, revision, key), Reply::Submitted(submitted) => *submitted)
    }

    /// Hands out the result of an ended execution once: of two simultaneous calls, one gets it and the other
    /// `AlreadyRetrieved`. The execution and its output stay readable otherwise.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`], [`PodError::NotEnded`] and [`PodError::AlreadyRetrieved`].
    ///
    /// # Cancellation safety
    ///
    /// A dropped future may have taken the result: what it was is in [`Pod::execution`].
    pub async fn take_result(&self, id: ExecutionId) -> Result<Execution> {
        ask!(self, Request::Retrieve(id), Reply::Execution(execution) => *execution)
    }

    /// Why an execution waits, or what became of it.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`] when there is none of that id, or none any more.
    pub async fn explain(&self, id: ExecutionId) -> Result<Explanation> {
        ask!(self, Request::Explain(id), Reply::Explanation(explanation) => *explanation)
    }

    /// Reads a piece of output of an attempt; what is not there yet is not waited for, and empty. So is the output of an
    /// attempt that has not begun.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`] when there is no execution of that id, or none any more.
    pub async fn read_output(
        &self,
        id: ExecutionId,
        attempt: AttemptNo,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputSlice> {
        let key = AttemptKey { execution: id, attempt };
        let slice = self.engine.store().read_output(key, stream, offset, limit).await?;
        if slice.bytes.is_empty() {
            self.execution(id).await?;
        }
        Ok(slice)
    }

    /// How much output an attempt has by now, and what the cap cut out. Nothing for one that has not begun.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`] when there is no execution of that id, or none any more.
    pub async fn output_summary(&self, id: ExecutionId, attempt: AttemptNo) -> Result<OutputSummary> {
        let key = AttemptKey { execution: id, attempt };
        let summary = self.engine.store().output_summary(key).await?;
        if summary == OutputSummary::default() {
            self.execution(id).await?;
        }
        Ok(summary)
    }
}

//! The handle for embedders, and what the HTTP APIs are made of.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    api::{
        ActivityView, Explanation, FleetPreview, Hurry, Overview, PodError, Put, Registration, Reply, Request,
        Submitted, Terms, WorkerView,
    },
    domain::{
        Activity, ActivityId, Attempt, AttemptNo, Execution, ExecutionId, NewActivity, NewExecution, Now,
        OutputSummary, Policy, RetryRevision, RevisionChoice, RevisionNo, ScalingDecision, Stream, Timestamp, WorkerId,
    },
    engine::Engine,
    store::{InstallLog, OutputSlice},
};

/// How many executions are started at once at most: all of them are in memory until they are committed.
pub const MAX_BATCH: usize = 100_000;

/// Sends a request to the engine and takes the one kind of reply that it gives.
macro_rules! expect {
    ($pod:expr, $request:expr, $pattern:pat => $value:expr) => {
        match $pod.ask($request).await? {
            $pattern => Ok($value),
            other => unreachable!("the engine answered with {other:?}"),
        }
    };
}

/// A running POD: starts executions, follows them, and looks after workers. Cheap to clone; the engine ends when
/// [`Pod::shutdown`] is called, or when the last clone is dropped.
///
/// Every method that changes something returns after the change is durable. Dropping its future does not undo a change
/// that was already sent.
#[derive(Clone, Debug)]
pub struct Pod {
    pub(super) engine: Arc<Engine>,
    pub(super) terms: Option<Arc<Terms>>,
}

pub(super) type Result<T> = std::result::Result<T, PodError>;

impl Pod {
    /// A handle for one request that changes something, on terms: under a key, so that it can be sent again, or as long
    /// as what it changes is what it is expected to be. A request that was refused may be sent again with other terms.
    ///
    /// A key stands for its request as long as any execution that was made is there; where none was made, until
    /// [`KEPT_NOTES`](crate::store::KEPT_NOTES) newer requests have come under keys of their own.
    ///
    /// # Errors
    ///
    /// Of the request: [`PodError::IdempotencyConflict`] when the key stands for another one, and
    /// [`PodError::NotAsExpected`].
    #[must_use]
    pub fn on(&self, terms: Terms) -> Self {
        Self { engine: self.engine.clone(), terms: Some(Arc::new(terms)) }
    }

    pub(super) async fn ask(&self, request: Request) -> Result<Reply> {
        let request = match &self.terms {
            Some(terms) => request.on(terms),
            None => request,
        };
        self.engine.request(request).await
    }

    /// Registers an activity. It is verified on one worker; executions are accepted meanwhile.
    pub async fn create_activity(&self, new: NewActivity) -> Result<Activity> {
        expect!(self, Request::CreateActivity { new, registration: Registration::Create }, Reply::Registered(view, _) => view.activity)
    }

    /// Registers an activity, or a new revision of one whose content or settings differ from the newest revision;
    /// the old revision serves until the new one is approved. The same content and settings again change nothing.
    pub async fn put_activity(&self, new: NewActivity) -> Result<Activity> {
        expect!(self, Request::CreateActivity { new, registration: Registration::Put }, Reply::Registered(view, _) => view.activity)
    }

    /// Registers what its own executions are to run: the activity, where the name is free, and else a revision of it.
    /// The same content and settings again are the same revision. Name it in [`NewExecution::revision`]: an activity that
    /// was made in another way goes on being what it is, and where this one becomes current, it may not stay so.
    ///
    /// What is registered so and never run is forgotten after an hour; and when all its executions are terminated while
    /// it is still being installed, the installation is withdrawn.
    pub async fn register_for_runs(&self, new: NewActivity) -> Result<(ActivityView, RevisionNo)> {
        self.register(new, Registration::Run).await
    }

    /// Registers an activity or a revision of it, for what is said: any of the above.
    pub async fn register(&self, new: NewActivity, registration: Registration) -> Result<(ActivityView, RevisionNo)> {
        let request = Request::CreateActivity { new, registration };
        expect!(self, request, Reply::Registered(view, revision) => (*view, revision))
    }

    /// Begins to remove an activity: its queue ends as failed, what runs ends first.
    pub async fn delete_activity(&self, name: &str) -> Result<ActivityView> {
        expect!(self, Request::DeleteActivity { name: name.to_owned() }, Reply::Activity(view) => *view)
    }

    /// An activity with its installations and counts.
    pub async fn activity(&self, name: &str) -> Result<ActivityView> {
        expect!(self, Request::Activity { name: name.to_owned() }, Reply::Activity(view) => *view)
    }

    /// All activities, by name.
    pub async fn activities(&self) -> Result<Vec<ActivityView>> {
        expect!(self, Request::Activities, Reply::Activities(views) => views)
    }

    /// Names of activities by id, those of deleted ones included as far as executions of them are kept.
    pub async fn activity_names(&self) -> Result<Arc<BTreeMap<ActivityId, Arc<str>>>> {
        expect!(self, Request::ActivityNames, Reply::ActivityNames(names) => names)
    }

    /// The activity that executions of that name are of; one that was deleted, too. A name may have been used before:
    /// the newest counts.
    pub async fn newest_of_name(&self, name: &str) -> Result<Option<ActivityId>> {
        let names = self.activity_names().await?;
        Ok(names.iter().rev().find_map(|(id, other)| (**other == *name).then_some(*id)))
    }

    /// The output of an installation; empty where there is none, or none any more.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchActivity`] for an activity that there is not.
    pub async fn install_log(&self, log: InstallLog) -> Result<bytes::Bytes> {
        let printed = self.engine.store().install_log(log).await?;
        if printed.is_empty() && !self.activity_names().await?.contains_key(&log.activity) {
            return Err(PodError::NoSuchActivity(log.activity.to_string()));
        }
        Ok(printed)
    }

    /// The pinned bytes of an activity's revision, once they are there.
    pub async fn payload(
        &self,
        activity: ActivityId,
        revision: crate::domain::RevisionNo,
    ) -> Result<Option<crate::domain::Payload>> {
        Ok(self.engine.store().payload(activity, revision).await?)
    }

    /// Starts an execution.
    pub async fn start(&self, new: NewExecution) -> Result<ExecutionId> {
        Ok(self.submit(new).await?.id)
    }

    /// Starts an execution and tells more about it.
    pub async fn submit(&self, new: NewExecution) -> Result<Submitted> {
        expect!(self, Request::Submit(new), Reply::Submitted(submitted) => *submitted)
    }

    /// Starts one execution per input, all or none; their ids are contiguous, in the order of the inputs, of which there
    /// are at most [`MAX_BATCH`].
    pub async fn start_many(
        &self,
        activity: &str,
        inputs: Vec<Option<String>>,
        idempotency_key: Option<String>,
    ) -> Result<Vec<ExecutionId>> {
        self.start_many_of(activity, RevisionChoice::Current, inputs, idempotency_key).await
    }

    /// As [`Pod::start_many`], of a revision that is named.
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
        expect!(self, request, Reply::SubmittedMany(range) => range.map(ExecutionId).collect())
    }

    /// An execution as it stands.
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
    pub async fn wait_for(&self, id: ExecutionId, limit: Duration) -> Result<Execution> {
        match tokio::time::timeout(limit, self.wait(id)).await {
            Ok(execution) => execution,
            Err(_) => self.execution(id).await,
        }
    }

    /// Asks for the end of an execution: at once when it waits, else its process tree gets TERM, and KILL after the
    /// grace time. Returns when the request is durable. `AlreadyEnded` when there is nothing to end.
    pub async fn request_termination(&self, id: ExecutionId) -> Result<Execution> {
        expect!(self, Request::Terminate(id, Hurry::Grace), Reply::Execution(execution) => *execution)
    }

    /// As [`Pod::request_termination`], with KILL at once; also where a termination is under way.
    pub async fn request_kill(&self, id: ExecutionId) -> Result<Execution> {
        expect!(self, Request::Terminate(id, Hurry::Now), Reply::Execution(execution) => *execution)
    }

    /// Ends an execution and returns when its whole process tree is gone.
    pub async fn terminate(&self, id: ExecutionId) -> Result<Execution> {
        self.request_termination(id).await?;
        self.wait(id).await
    }

    /// Runs an ended execution again, as a new one, with the revision that it ran. `RevisionGone` when that is not kept.
    pub async fn retry(&self, id: ExecutionId) -> Result<Submitted> {
        self.retry_once(id, RetryRevision::Same, None).await
    }

    /// As [`Pod::retry`], with a choice of the revision; with the same idempotency key again it is the same new
    /// execution.
    pub async fn retry_once(&self, id: ExecutionId, revision: RetryRevision, key: Option<String>) -> Result<Submitted> {
        expect!(self, Request::Retry(id, revision, key), Reply::Submitted(submitted) => *submitted)
    }

    /// Hands out the result of an ended execution once: of two simultaneous calls, one gets it and the other
    /// `AlreadyRetrieved`. The execution and its output stay readable otherwise.
    pub async fn retrieve(&self, id: ExecutionId) -> Result<Execution> {
        expect!(self, Request::Retrieve(id), Reply::Execution(execution) => *execution)
    }

    /// Why an execution waits, or what became of it.
    pub async fn explain(&self, id: ExecutionId) -> Result<Explanation> {
        expect!(self, Request::Explain(id), Reply::Explanation(explanation) => *explanation)
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
        let key = crate::domain::AttemptKey { execution: id, attempt };
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
        let key = crate::domain::AttemptKey { execution: id, attempt };
        let summary = self.engine.store().output_summary(key).await?;
        if summary == OutputSummary::default() {
            self.execution(id).await?;
        }
        Ok(summary)
    }

    /// All workers, the gone ones included for a while, newest first.
    pub async fn workers(&self) -> Result<Vec<WorkerView>> {
        expect!(self, Request::Workers, Reply::Workers(workers) => workers)
    }

    /// Lets a worker go when what it runs has ended.
    pub async fn drain_worker(&self, id: WorkerId) -> Result<WorkerView> {
        expect!(self, Request::DrainWorker(id), Reply::Worker(worker) => *worker)
    }

    /// What the whole POD is doing, in numbers.
    pub async fn overview(&self) -> Result<Overview> {
        expect!(self, Request::Overview, Reply::Overview(overview) => *overview)
    }

    /// Makes a policy. `rules` as in [`crate::domain::Rules`].
    pub async fn create_policy(&self, name: &str, rules: BTreeMap<String, String>) -> Result<Policy> {
        expect!(self, Request::CreatePolicy { name: name.to_owned(), rules }, Reply::Policy(policy, _) => policy)
    }

    /// Gives a policy other rules, or makes it, and tells which. If it is the active one, the fleet is brought to them.
    pub async fn put_policy(&self, name: &str, rules: BTreeMap<String, String>) -> Result<(Policy, Put)> {
        expect!(self, Request::PutPolicy { name: name.to_owned(), rules }, Reply::Policy(policy, put) => (policy, put))
    }

    /// Makes a policy the active one; the fleet is brought to it.
    pub async fn apply_policy(&self, name: &str) -> Result<Policy> {
        expect!(self, Request::ApplyPolicy { name: name.to_owned() }, Reply::Policy(policy, _) => policy)
    }

    /// What applying these rules would do to the fleet as it is now.
    pub async fn preview_policy(&self, rules: BTreeMap<String, String>) -> Result<FleetPreview> {
        expect!(self, Request::PreviewPolicy { rules }, Reply::Preview(preview) => *preview)
    }

    /// Deletes a policy; the default one takes over if it was active.
    pub async fn delete_policy(&self, name: &str) -> Result<Policy> {
        expect!(self, Request::DeletePolicy { name: name.to_owned() }, Reply::Policy(policy, _) => policy)
    }

    /// Makes the default policy the active one.
    pub async fn reset_policies(&self) -> Result<Policy> {
        expect!(self, Request::ApplyPolicy { name: "default".to_owned() }, Reply::Policy(policy, _) => policy)
    }

    /// All policies, the default one first, and which is active.
    pub async fn policies(&self) -> Result<(Vec<Policy>, crate::domain::PolicyId)> {
        expect!(self, Request::Policies, Reply::Policies(policies, active) => (policies, active))
    }

    /// The last decisions about the fleet, newest first.
    pub async fn scaling_decisions(&self, limit: usize) -> Result<Vec<ScalingDecision>> {
        Ok(self.engine.store().decisions(limit).await?)
    }

    /// How many follow output or events at this moment.
    #[must_use]
    pub fn followers(&self) -> usize {
        // Less this one and that of the engine.
        Arc::strong_count(&self.engine.follower()).saturating_sub(2)
    }

    /// The sequence number of the newest event.
    #[must_use]
    pub fn newest_event(&self) -> u64 {
        *self.engine.newest_event().borrow()
    }

    /// The identity of the store.
    #[must_use]
    pub fn store_id(&self) -> crate::domain::StoreId {
        self.engine.store().id()
    }

    /// What the system's clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.engine.now().wall
    }

    /// What the system's clock says, and how old this POD is.
    #[must_use]
    pub fn clock(&self) -> Now {
        self.engine.now()
    }

    /// Ends when the engine has ended, and says why: `Stopped` after a shutdown, `Crashed` after a panic in it or in a part
    /// of yours, `Store` when the store failed for good or another manager took it over (`Fenced`). Cancellation safe.
    pub async fn stopped(&self) -> PodError {
        self.engine.stopped().await
    }

    /// Stops promptly: [`Pod::shutdown_within`] no time at all. What runs in this process is asked to end right away.
    pub async fn shutdown(&self) {
        self.shutdown_within(Duration::ZERO).await;
    }

    /// Stops in an orderly way: no new work is given out, and what runs in workers that end with this process may end
    /// within `time`. What has not ended then gets TERM, and KILL after its grace time ([`Limits::grace`](crate::Limits::grace)). It is run
    /// again at the next start, which counts as no loss; what has begun and must not run again (`onLost=fail`) fails
    /// as [`Ending::WorkerLeft`](crate::domain::Ending::WorkerLeft). Then what was accepted is committed, and links are
    /// closed. Workers in processes of their own go on, and are not waited for.
    ///
    /// Requests are taken until then, and what is submitted waits for the next start. Called again, also from another
    /// clone, the shorter time counts. Returns when nothing of the engine runs any more. Dropping the future does not
    /// stop the shutdown; dropping the last clone without one is as [`Pod::shutdown`], as far as the process still goes
    /// on.
    pub async fn shutdown_within(&self, time: Duration) {
        self.engine.shutdown(time).await;
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

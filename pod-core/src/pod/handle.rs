//! The handle for embedders, and what the HTTP APIs are made of.

use std::{sync::Arc, time::Duration};

use crate::{
    api::{Limits, PodError, Reply, Request, Terms},
    domain::{Now, StoreId, Timestamp},
    engine::Engine,
};

/// Sends a request to the engine and takes the one kind of reply that it gives.
macro_rules! ask {
    ($pod:expr, $request:expr, $pattern:pat => $value:expr) => {
        match $pod.ask($request).await? {
            $pattern => Ok($value),
            other => unreachable!("the engine answered with {other:?}"),
        }
    };
}

pub(super) use ask;

/// A running POD: starts executions, follows them, and looks after workers. Cheap to clone; the engine ends when
/// [`Pod::shutdown`] is called, or when the last clone is dropped.
///
/// ```
/// # use pod_core::{domain::{NewActivity, NewExecution}, store::MemoryStore, testing::in_process::InProcess};
/// use pod_core::{Pod, PodError};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), PodError> {
/// # let backend = InProcess::new(|_| async { 3 });
/// let pod = Pod::builder().store(MemoryStore::new()).backend(backend).start().await?;
/// pod.put_activity(NewActivity::script("report", "echo 'exit 3' > main.sh")).await?;
/// let runs = pod.start_many("report", vec![Some("may".into()), Some("june".into())], None).await?;
/// for run in runs {
///     let done = pod.wait(run).await?;
///     println!("execution {run}: {}", done.status.as_str());
/// #   assert_eq!(done.status.as_str(), "failed");
/// }
/// match pod.start(NewExecution::new("repotr")).await {
///     Err(PodError::NoSuchActivity(name)) => println!("nothing is called {name}"),
///     other => println!("{other:?}"),
/// }
/// pod.shutdown().await;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Each method names those that are its own. Any of them may also fail with [`PodError::Stopped`] or
/// [`PodError::Crashed`] when the engine has ended, with [`PodError::Store`] when the store does not work, and, where it
/// changes something, with [`PodError::Overloaded`] when more is asked than can be taken.
///
/// # Cancellation safety
///
/// Every method that changes something returns after the change is durable. Dropping its future does not undo a change
/// that was already sent, and may come before it: where that matters, send it again under a key ([`Pod::on`],
/// [`NewExecution::idempotency_key`](crate::domain::NewExecution::idempotency_key)). What only reads or waits may be
/// dropped at any time.
#[derive(Clone, Debug)]
pub struct Pod {
    pub(super) engine: Arc<Engine>,
    pub(super) terms: Option<Arc<Terms>>,
    pub(super) limits: Arc<Limits>,
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
        Self { engine: self.engine.clone(), terms: Some(Arc::new(terms)), limits: self.limits.clone() }
    }

    pub(super) async fn ask(&self, request: Request) -> Result<Reply> {
        let request = match &self.terms {
            Some(terms) => request.on(terms),
            None => request,
        };
        self.engine.request(request).await
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

    /// The limits that it works with: those that it was given, with the slots that its backend decided on.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The identity of the store.
    #[must_use]
    pub fn store_id(&self) -> StoreId {
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
    /// within `time`. What has not ended then gets TERM, and KILL after its grace time ([`Limits::grace_period`]). It is run
    /// again at the next start, which counts as no loss; what has begun and must not run again (`onLost=fail`) fails
    /// as [`Outcome::WorkerLeft`](crate::domain::Outcome::WorkerLeft). Then what was accepted is committed, and links are
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

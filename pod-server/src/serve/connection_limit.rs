//! Limits the number of open connections. At the limit, a new connection evicts the one that has kept the manager waiting
//! for longest, in the middle of a request or between two: slow clients lock out no other.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// The open connections and the slots for them.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    permits: Arc<Semaphore>,
    connections: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    open: HashMap<u64, Arc<ConnectionState>>,
}

/// The state of an open connection.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    /// Since when the manager has waited for the client; `None` while the client waits for the manager.
    awaited_since: Mutex<Option<Instant>>,
    leave: CancellationToken,
}

/// The slot of a connection, free again when this is dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    limit: Arc<ConnectionLimit>,
    number: u64,
    state: Arc<ConnectionState>,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionLimit {
    pub(super) fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self { permits: Arc::new(Semaphore::new(permits)), connections: Mutex::default() })
    }

    /// Acquires a slot for a new connection. At the limit it evicts the connection that is awaited longest; if all of
    /// them wait for the manager, it waits until one closes by itself.
    pub(super) async fn acquire(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.evict_longest_awaited();
                self.permits.clone().acquire_owned().await.ok()?
            }
        };
        let state = Arc::new(ConnectionState {
            awaited_since: Mutex::new(Some(Instant::now())),
            leave: CancellationToken::new(),
        });
        let mut connections = self.connections();
        let number = connections.next;
        connections.next += 1;
        connections.open.insert(number, state.clone());
        Some(ConnectionSlot { limit: self.clone(), number, state, _permit: permit })
    }

    fn evict_longest_awaited(&self) {
        let connections = self.connections();
        let awaited = connections.open.values().filter_map(|state| Some((state.awaited_since()?, state)));
        if let Some((_, state)) = awaited.min_by_key(|(since, _)| *since) {
            // It is not chosen twice.
            state.set(None);
            state.leave.cancel();
        }
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, OpenConnections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionSlot {
    pub(super) fn state(&self) -> Arc<ConnectionState> {
        self.state.clone()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.limit.connections().open.remove(&self.number);
    }
}

impl ConnectionState {
    /// Resolves when the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.leave.cancelled().await;
    }

    /// The manager waits for the rest of a request, or for the next one.
    pub(crate) fn mark_awaited(&self) {
        self.set(Some(Instant::now()));
    }

    /// The request is complete; the client waits for the manager.
    pub(crate) fn mark_busy(&self) {
        self.set(None);
    }

    fn awaited_since(&self) -> Option<Instant> {
        *self.awaited_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, awaited_since: Option<Instant>) {
        *self.awaited_since.lock().unwrap_or_else(PoisonError::into_inner) = awaited_since;
    }
}

/// Marks the connection as busy from the head of a request to the end of its response.
#[derive(Debug)]
pub(crate) struct ResponseGuard(Option<Arc<ConnectionState>>);

impl ResponseGuard {
    pub(crate) fn new(state: Option<Arc<ConnectionState>>) -> Self {
        if let Some(state) = &state {
            state.mark_busy();
        }
        Self(state)
    }

    /// Ends with this response body.
    pub(crate) fn attach_to(self, body: Body) -> Body {
        Body::new(GuardedBody { body, _answering: self })
    }

    /// Leaves the connection marked as busy: it was upgraded and serves no further request.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        if let Some(state) = &self.0 {
            state.mark_awaited();
        }
    }
}

struct GuardedBody {
    body: Body,
    _answering: ResponseGuard,
}

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_told_to_leave(slot: &ConnectionSlot) -> bool {
        slot.state.leave.is_cancelled()
    }

    #[tokio::test]
    async fn who_was_waited_for_longest_leaves_and_who_waits_stays() {
        let limit = ConnectionLimit::new(3);
        let answered = limit.acquire().await.unwrap();
        let answering = ResponseGuard::new(Some(answered.state()));
        let slow = limit.acquire().await.unwrap();
        let late = limit.acquire().await.unwrap();
        assert!(!is_told_to_leave(&slow));
        let comes = tokio::spawn({
            let limit = limit.clone();
            async move { limit.acquire().await }
        });
        slow.state().evicted().await;
        assert!(!is_told_to_leave(&answered) && !is_told_to_leave(&late));
        drop(slow);
        let new = comes.await.unwrap().unwrap();
        assert!(!is_told_to_leave(&new));
        // A client that got its answer is awaited again, though for a shorter time.
        drop(answering);
        late.state().mark_busy();
        new.state().mark_busy();
        limit.evict_longest_awaited();
        assert!(is_told_to_leave(&answered));
    }

    #[tokio::test]
    async fn an_answer_ends_with_its_body_and_never_where_it_became_something_else() {
        let limit = ConnectionLimit::new(1);
        let slot = limit.acquire().await.unwrap();
        let body = ResponseGuard::new(Some(slot.state())).attach_to(Body::from("an answer"));
        assert_eq!(body.size_hint().exact(), Some(9));
        assert_eq!(slot.state.awaited_since(), None);
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "an answer");
        assert!(slot.state.awaited_since().is_some());
        ResponseGuard::new(Some(slot.state())).disarm();
        assert_eq!(slot.state.awaited_since(), None);
    }
}

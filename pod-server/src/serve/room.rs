//! How many connections there may be at a time, and who leaves where there is no room: the one that has kept the manager
//! waiting for longest, in the middle of a request or between two. So those who are slow keep nobody else out.

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

/// The places for connections.
#[derive(Debug)]
pub(super) struct Room {
    places: Arc<Semaphore>,
    guests: Mutex<Guests>,
}

#[derive(Debug, Default)]
struct Guests {
    next: u64,
    there: HashMap<u64, Arc<Guest>>,
}

/// What is known of a connection while it is there.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Since when it has been waited for; nothing while it waits for the manager.
    waited_for: Mutex<Option<Instant>>,
    leave: CancellationToken,
}

/// The place of a connection. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    number: u64,
    guest: Arc<Guest>,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(places)), guests: Mutex::default() })
    }

    /// A place for a connection that has come. Where there is none, somebody who is waited for has to leave; where all
    /// of them wait for the manager, this one waits for the first to leave by itself.
    pub(super) async fn place(self: &Arc<Self>) -> Option<Place> {
        let permit = match self.places.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.make_one_leave();
                self.places.clone().acquire_owned().await.ok()?
            }
        };
        let guest = Arc::new(Guest { waited_for: Mutex::new(Some(Instant::now())), leave: CancellationToken::new() });
        let mut guests = self.guests();
        let number = guests.next;
        guests.next += 1;
        guests.there.insert(number, guest.clone());
        Some(Place { room: self.clone(), number, guest, _permit: permit })
    }

    fn make_one_leave(&self) {
        let guests = self.guests();
        let waited_for = guests.there.values().filter_map(|guest| Some((guest.waited_for()?, guest)));
        if let Some((_, guest)) = waited_for.min_by_key(|(since, _)| *since) {
            // Not twice the same one.
            guest.set(None);
            guest.leave.cancel();
        }
    }

    fn guests(&self) -> std::sync::MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn guest(&self) -> Arc<Guest> {
        self.guest.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.guests().there.remove(&self.number);
    }
}

impl Guest {
    /// Comes true when it has to leave.
    pub(super) async fn has_to_leave(&self) {
        self.leave.cancelled().await;
    }

    /// That the rest of its request is waited for.
    pub(crate) fn is_waited_for(&self) {
        self.set(Some(Instant::now()));
    }

    /// That it has said what it had to say.
    pub(crate) fn waits(&self) {
        self.set(None);
    }

    fn waited_for(&self) -> Option<Instant> {
        *self.waited_for.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, waited_for: Option<Instant>) {
        *self.waited_for.lock().unwrap_or_else(PoisonError::into_inner) = waited_for;
    }
}

/// The time in which a request is answered: from its head to the end of the answer. Then the next one is waited for.
#[derive(Debug)]
pub(crate) struct Answering(Option<Arc<Guest>>);

impl Answering {
    pub(crate) fn begins(guest: Option<Arc<Guest>>) -> Self {
        if let Some(guest) = &guest {
            guest.waits();
        }
        Self(guest)
    }

    /// The body of the answer, with which it ends.
    pub(crate) fn until_the_end_of(self, body: Body) -> Body {
        Body::new(Answer { body, _answering: self })
    }

    /// The connection is something else from now on.
    pub(crate) fn for_good(mut self) {
        self.0 = None;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(guest) = &self.0 {
            guest.is_waited_for();
        }
    }
}

struct Answer {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Answer {
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

    fn is_told_to_leave(place: &Place) -> bool {
        place.guest.leave.is_cancelled()
    }

    #[tokio::test]
    async fn who_was_waited_for_longest_leaves_and_who_waits_stays() {
        let room = Room::new(3);
        let answered = room.place().await.unwrap();
        let answering = Answering::begins(Some(answered.guest()));
        let slow = room.place().await.unwrap();
        let late = room.place().await.unwrap();
        assert!(!is_told_to_leave(&slow));
        let comes = tokio::spawn({
            let room = room.clone();
            async move { room.place().await }
        });
        slow.guest().has_to_leave().await;
        assert!(!is_told_to_leave(&answered) && !is_told_to_leave(&late));
        drop(slow);
        let new = comes.await.unwrap().unwrap();
        assert!(!is_told_to_leave(&new));
        // Who has got its answer is waited for again, though for a shorter time.
        drop(answering);
        late.guest().waits();
        new.guest().waits();
        room.make_one_leave();
        assert!(is_told_to_leave(&answered));
    }

    #[tokio::test]
    async fn an_answer_ends_with_its_body_and_never_where_it_became_something_else() {
        let room = Room::new(1);
        let place = room.place().await.unwrap();
        let body = Answering::begins(Some(place.guest())).until_the_end_of(Body::from("an answer"));
        assert_eq!(body.size_hint().exact(), Some(9));
        assert_eq!(place.guest.waited_for(), None);
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "an answer");
        assert!(place.guest.waited_for().is_some());
        Answering::begins(Some(place.guest())).for_good();
        assert_eq!(place.guest.waited_for(), None);
    }
}

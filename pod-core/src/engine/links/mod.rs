//! The tasks that serve the links of workers. Output goes from here into the store, past the engine's task; everything
//! else goes to the engine, one message per frame. A link that misbehaves ends alone.

mod acks;
mod intake;
mod serve;

use std::{fmt, sync::Arc};

use tokio::sync::mpsc;

use super::{Message, Shared};
use crate::{domain::WorkerId, link::Transport, plan::Input};

/// Where connected workers are handed in. Cheap to clone; bounded.
#[derive(Clone)]
pub struct Links(End);

/// Who takes them.
#[derive(Clone)]
enum End {
    Engine {
        shared: Arc<Shared>,
        inbox: mpsc::Sender<Message>,
    },
    #[cfg(feature = "testing")]
    Observer(mpsc::Sender<Arrival>),
}

/// What a backend under test handed in.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub(crate) enum Arrival {
    Link(Transport),
    Gone(WorkerId),
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

/// Who may come in over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Only workers that this store created.
    Known,
    /// Only that worker: this is its own way in.
    Only(WorkerId),
    /// Workers that dial in by themselves, and none that was created: whoever is here has shown the token that they share.
    /// One comes back as the process that it was.
    Anyone,
}

impl Links {
    pub(crate) fn new(shared: Arc<Shared>, inbox: mpsc::Sender<Message>) -> Self {
        Self(End::Engine { shared, inbox })
    }

    /// Hands everything to a test instead of an engine.
    #[cfg(feature = "testing")]
    pub(crate) fn observed(observer: mpsc::Sender<Arrival>) -> Self {
        Self(End::Observer(observer))
    }

    /// Serves a worker's link until it ends; spawns a task and returns at once.
    pub fn connect(&self, transport: Transport, admission: Admission) {
        match &self.0 {
            End::Engine { shared, inbox } => {
                shared.spawn(serve::serve(shared.clone(), inbox.clone(), transport, admission));
            }
            // A test that no longer looks lets the link end.
            #[cfg(feature = "testing")]
            End::Observer(observer) => drop(observer.try_send(Arrival::Link(transport))),
        }
    }

    /// Tells how far the making of a worker has come, as a sentence, while that takes long.
    pub async fn progress(&self, worker: WorkerId, note: String) {
        match &self.0 {
            End::Engine { inbox, .. } => {
                let _ = inbox.send(Message::Happened(Input::Progress { worker, note })).await;
            }
            #[cfg(feature = "testing")]
            End::Observer(_) => tracing::info!(%worker, note, "a worker is being made"),
        }
    }

    /// Tells that a worker is known to be dead, with the reason as a sentence: its work is given out again at once.
    pub async fn gone(&self, worker: WorkerId, reason: String) {
        match &self.0 {
            // When the engine has ended, the next one finds it out by itself.
            End::Engine { inbox, .. } => {
                let _ = inbox.send(Message::Happened(Input::Gone { worker, reason })).await;
            }
            #[cfg(feature = "testing")]
            End::Observer(observer) => {
                tracing::info!(%worker, reason, "a worker is gone");
                let _ = observer.send(Arrival::Gone(worker)).await;
            }
        }
    }
}

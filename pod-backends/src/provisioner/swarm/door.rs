//! Whom the manager lets in: the tasks that this store's workers are, each by its own join token.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;
use pod_core::domain::{StoreId, WorkerId};
use uuid::Uuid;

use crate::{
    executor::process::PROGRAM,
    provisioner::{
        docker::{ManagerAddress, ResidentProgram},
        local::directory::Certificate,
    },
};

/// What an HTTP server needs to let tasks in: whose a join token is, and what its task is to run.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    program: ResidentProgram,
    url: String,
    /// Whose workers these are; known when the backend has started.
    store: OnceLock<StoreId>,
    /// By join token. Who guesses one has guessed 244 bits.
    guests: Mutex<HashMap<String, Guest>>,
}

struct Guest {
    certificate: Certificate,
    /// Whether its task has found the way here, as far as this manager knows.
    has_come: bool,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("url", &self.0.url).finish_non_exhaustive()
    }
}

impl Door {
    pub(super) fn new(program: ResidentProgram, url: String) -> Self {
        Self(Arc::new(Inner { program, url, store: OnceLock::new(), guests: Mutex::default() }))
    }

    /// The worker whose join token this is.
    #[must_use]
    pub fn worker(&self, token: &str) -> Option<WorkerId> {
        self.guests().get(token).map(|guest| guest.certificate.worker)
    }

    /// Whether this is a join token that this store has given out and that opens nothing any more: its worker was
    /// destroyed, and a task that still shows it runs where the swarm does not reach it.
    #[must_use]
    pub fn is_of_the_destroyed(&self, token: &str) -> bool {
        let ours = self.0.store.get().is_some_and(|store| token.starts_with(&prefix(*store)));
        ours && !self.guests().contains_key(token)
    }

    /// The program that unpacks the other one. It ends with a zero, as `join.sh` needs it.
    #[must_use]
    pub fn starter(&self) -> Bytes {
        static STARTER: OnceLock<Bytes> = OnceLock::new();
        STARTER.get_or_init(|| [PROGRAM, &[0]].concat().into()).clone()
    }

    /// The archive, in pieces, of all that the task with this join token is to run.
    #[must_use]
    pub fn program(&self, token: &str) -> Option<[Bytes; 2]> {
        let certificate = {
            let mut guests = self.guests();
            let guest = guests.get_mut(token)?;
            guest.has_come = true;
            guest.certificate
        };
        let manager = ManagerAddress { url: self.0.url.clone(), token: Some(token.to_owned()) };
        let [files, own] = self.0.program.archive(certificate, Some(&manager));
        Some([files, own])
    }

    /// To be called before anybody dials: from then on it is known whose the tokens are that are shown.
    pub(super) fn open_for(&self, store: StoreId) {
        let _ = self.0.store.set(store);
    }

    /// Lets a task in that is made now.
    pub(super) fn expect(&self, token: String, certificate: Certificate) {
        self.guests().insert(token, Guest { certificate, has_come: false });
    }

    /// Lets a task in that is known to an earlier manager.
    pub(super) fn take_on(&self, token: String, certificate: Certificate) {
        self.guests().insert(token, Guest { certificate, has_come: true });
    }

    pub(super) fn let_out(&self, worker: WorkerId) {
        self.guests().retain(|_, guest| guest.certificate.worker != worker);
    }

    pub(super) fn expects(&self, worker: WorkerId) -> bool {
        self.guests().values().any(|guest| guest.certificate.worker == worker)
    }

    /// Whether the task of that worker has never found the way here.
    pub(super) fn waits_for(&self, worker: WorkerId) -> bool {
        self.guests().values().any(|guest| guest.certificate.worker == worker && !guest.has_come)
    }

    pub(super) fn command(&self, home: &str) -> Vec<String> {
        self.0.program.command_in(home)
    }

    fn guests(&self) -> MutexGuard<'_, HashMap<String, Guest>> {
        self.0.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token for one more task: it tells whose it is, and 244 bits that nobody guesses.
pub(super) fn new_token(store: StoreId) -> String {
    format!("{}{}{}", prefix(store), Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn prefix(store: StoreId) -> String {
    format!("{store}-")
}

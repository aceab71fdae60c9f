//! Whom the manager lets in: the tasks that this store's workers are, each by its own join token.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;
use pod_core::domain::WorkerId;

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
    /// By join token. Who guesses one has guessed 244 bits.
    guests: Mutex<HashMap<String, Certificate>>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("url", &self.0.url).finish_non_exhaustive()
    }
}

impl Door {
    pub(super) fn new(program: ResidentProgram, url: String) -> Self {
        Self(Arc::new(Inner { program, url, guests: Mutex::default() }))
    }

    /// The worker whose join token this is.
    #[must_use]
    pub fn worker(&self, token: &str) -> Option<WorkerId> {
        self.guests().get(token).map(|certificate| certificate.worker)
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
        let certificate = *self.guests().get(token)?;
        let manager = ManagerAddress { url: self.0.url.clone(), token: Some(token.to_owned()) };
        let [files, own] = self.0.program.archive(certificate, Some(&manager));
        Some([files, own])
    }

    pub(super) fn let_in(&self, token: String, certificate: Certificate) {
        self.guests().insert(token, certificate);
    }

    pub(super) fn let_out(&self, worker: WorkerId) {
        self.guests().retain(|_, certificate| certificate.worker != worker);
    }

    pub(super) fn expects(&self, worker: WorkerId) -> bool {
        self.guests().values().any(|certificate| certificate.worker == worker)
    }

    pub(super) fn command(&self, home: &str) -> Vec<String> {
        self.0.program.command_in(home)
    }

    fn guests(&self) -> MutexGuard<'_, HashMap<String, Certificate>> {
        self.0.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Whom the manager lets in over the network: this store's workers, each by a join token of its own. A worker that has
//! lost its token to a program that it runs has lost itself, and neither another worker nor the manager.
//!
//! It is written down beside the worker's record, as `join-token`, and read by the next manager.

use std::{
    collections::HashMap,
    fmt, fs,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;
use pod_core::domain::{StoreId, WorkerId};
use uuid::Uuid;

use crate::{
    data_dir::directory::WorkerRecord,
    docker::{settings::ManagerAddress, worker_binary::WorkerBinary},
    private,
    process::program::PROGRAM,
};

const TOKEN: &str = "join-token";

/// What an HTTP server needs to let workers in: whose a join token is, and what a task is to run that shows it.
#[derive(Clone)]
pub struct JoinGateway(Arc<Inner>);

struct Inner {
    program: WorkerBinary,
    url: String,
    /// Whose workers these are; known when the backend has started.
    store: OnceLock<StoreId>,
    /// By join token. Who guesses one has guessed 244 bits.
    pending_workers: Mutex<HashMap<String, PendingWorker>>,
}

struct PendingWorker {
    record: WorkerRecord,
    /// Whether it has found the way here, as far as this manager knows.
    has_come: bool,
}

impl fmt::Debug for JoinGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinGateway").field("url", &self.0.url).finish_non_exhaustive()
    }
}

impl JoinGateway {
    /// Workers dial that address, and tasks get this program.
    pub(crate) fn new(program: WorkerBinary, url: String) -> Self {
        Self(Arc::new(Inner { program, url, store: OnceLock::new(), pending_workers: Mutex::default() }))
    }

    /// The worker whose join token this is.
    #[must_use]
    pub fn worker(&self, token: &str) -> Option<WorkerId> {
        self.pending_workers().get(token).map(|pending| pending.record.worker)
    }

    /// Whether this is a join token that this store has given out and that opens nothing any more: its worker was
    /// destroyed, and whoever still shows it runs where the backend does not reach it.
    #[must_use]
    pub fn is_of_the_destroyed(&self, token: &str) -> bool {
        let ours = self.0.store.get().is_some_and(|store| token.starts_with(&prefix(*store)));
        ours && !self.pending_workers().contains_key(token)
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
        let record = {
            let mut pending_workers = self.pending_workers();
            let pending = pending_workers.get_mut(token)?;
            pending.has_come = true;
            pending.record
        };
        Some(self.0.program.archive(record, Some(&self.address_for(token))))
    }

    /// What a worker is to dial.
    pub(crate) fn address_for(&self, token: &str) -> ManagerAddress {
        ManagerAddress { url: self.0.url.clone(), token: Some(token.to_owned()) }
    }

    /// To be called before anybody dials: from then on it is known whose the tokens are that are shown.
    pub(crate) fn open_for(&self, store: StoreId) {
        let _ = self.0.store.set(store);
    }

    /// Lets a worker in that is made now, whose directory this is; its join token.
    pub(crate) fn expect(&self, dir: &Path, record: WorkerRecord) -> io::Result<String> {
        let token = new_token(record.store);
        let mut file = private::file().create(true).truncate(true).write(true).open(dir.join(TOKEN))?;
        file.write_all(token.as_bytes())?;
        self.pending_workers().insert(token.clone(), PendingWorker { record, has_come: false });
        Ok(token)
    }

    /// Lets a worker in that is known to an earlier manager.
    pub(crate) fn take_on(&self, dir: &Path, record: WorkerRecord) -> io::Result<()> {
        match fs::read_to_string(dir.join(TOKEN)) {
            Ok(token) => drop(self.pending_workers().insert(token, PendingWorker { record, has_come: true })),
            // Its making was broken off before anything was asked of the engine.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(crate) fn let_out(&self, worker: WorkerId) {
        self.pending_workers().retain(|_, pending| pending.record.worker != worker);
    }

    pub(crate) fn expects(&self, worker: WorkerId) -> bool {
        self.pending_workers().values().any(|pending| pending.record.worker == worker)
    }

    /// Whether the task of that worker has never found the way here.
    pub(crate) fn waits_for(&self, worker: WorkerId) -> bool {
        self.pending_workers().values().any(|pending| pending.record.worker == worker && !pending.has_come)
    }

    pub(crate) fn command(&self, home: &str) -> Vec<String> {
        self.0.program.command_in(home)
    }

    fn pending_workers(&self) -> MutexGuard<'_, HashMap<String, PendingWorker>> {
        self.0.pending_workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token for one more worker: it tells whose it is, and 244 bits that nobody guesses.
fn new_token(store: StoreId) -> String {
    format!("{}{}{}", prefix(store), Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn prefix(store: StoreId) -> String {
    format!("{store}-")
}

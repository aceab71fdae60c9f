//! Performs what was committed. Orders go into outboxes at once; what takes time runs in tasks of its own, whose
//! results come back as inputs.

use std::{collections::VecDeque, panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use tokio::sync::{Semaphore, mpsc};

use super::{
    message::Message,
    outboxes::Outboxes,
    panic::said_in,
    prepare::{NO_FETCHER, sha256},
    shared::Shared,
};
use crate::{
    domain::{ActivityId, Age, Isolation, Millis, Payload, RevisionNo, StoreId, WorkerId},
    fetcher::FetchScript,
    link::ToWorker,
    plan::{Config, Effect, Input, State},
    provisioner::{ProvisionError, Provisioner, WorkerSpec},
    store::StoreError,
};

/// How many things are asked of the provisioner and the fetcher at a time, each.
const AT_A_TIME: usize = 16;
/// How many payloads are kept for the next worker that installs them.
const KEPT_PAYLOADS: usize = 4;

/// Performs effects.
pub(super) struct Performer {
    shared: Arc<Shared>,
    /// Where results go.
    inbox: mpsc::Sender<Message>,
    provisioner: Arc<dyn Provisioner>,
    store: StoreId,
    slots: u32,
    install_timeout: Millis,
    max_payload: usize,
    machines: Arc<Semaphore>,
    fetches: Arc<Semaphore>,
    payloads: VecDeque<((ActivityId, RevisionNo), Payload)>,
}

impl Performer {
    pub(super) fn new(
        shared: Arc<Shared>,
        inbox: mpsc::Sender<Message>,
        provisioner: Arc<dyn Provisioner>,
        config: &Config,
    ) -> Self {
        Self {
            shared,
            inbox,
            provisioner,
            store: config.store,
            slots: config.limits.slots,
            install_timeout: config.limits.install_timeout,
            max_payload: config.limits.max_payload,
            machines: Arc::new(Semaphore::new(AT_A_TIME)),
            fetches: Arc::new(Semaphore::new(AT_A_TIME)),
            payloads: VecDeque::new(),
        }
    }

    pub(super) fn provisioner(&self) -> Arc<dyn Provisioner> {
        self.provisioner.clone()
    }

    /// Performs effects in order. Gives back up to when the retention is to delete, if it is to: the caller reads that
    /// in a moment of its own.
    pub(super) async fn perform(
        &mut self,
        effects: Vec<Effect>,
        state: &State,
        outboxes: &mut Outboxes,
    ) -> Option<Age> {
        let mut expire = None;
        for effect in effects {
            match effect {
                Effect::Welcome(welcome) => outboxes.welcome(*welcome),
                Effect::Refuse(session, refusal) => outboxes.refuse(session, refusal),
                Effect::Disconnect(session) => outboxes.disconnect(session),
                Effect::Start(worker, order) => outboxes.send(worker, ToWorker::Start(Box::new(order))),
                Effect::Stop(worker, key, grace) => outboxes.send(worker, ToWorker::Stop { key, grace }),
                Effect::Recall(worker, key) => outboxes.send(worker, ToWorker::Recall { key }),
                Effect::AckEnd(worker, key) => outboxes.send(worker, ToWorker::EndAck { key }),
                Effect::Install(worker, activity, revision) => {
                    self.install(worker, activity, revision, state, outboxes).await;
                }
                Effect::Remove(worker, activity, revision) => {
                    outboxes.send(worker, ToWorker::Remove { activity, revision });
                }
                Effect::Shutdown(worker, reason) => outboxes.send(worker, ToWorker::Shutdown { reason }),
                Effect::Create(worker, isolation) => self.create(worker, isolation),
                Effect::Destroy(worker) => self.destroy(worker),
                Effect::List => self.list(),
                Effect::Fetch(activity, revision, url) => self.fetch(activity, revision, url),
                Effect::Expire(before) => expire = Some(before),
            }
        }
        expire
    }

    /// Read here and not in a task: a later order for the same installation must not overtake this one.
    async fn install(
        &mut self,
        worker: WorkerId,
        activity: ActivityId,
        revision: RevisionNo,
        state: &State,
        outboxes: &mut Outboxes,
    ) {
        // Without settings or bytes the revision was deleted meanwhile: its removal is under way.
        let Some(settings) = state.revision(activity, revision).map(|revision| &revision.settings) else { return };
        match self.payload(activity, revision).await {
            Ok(Some(payload)) => {
                let (env, timeout) = (settings.env.clone(), self.install_timeout);
                outboxes.send(worker, ToWorker::Install { activity, revision, payload, env, timeout });
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%activity, %worker, "an installation could not be read; its worker is to dial again: {error}");
                outboxes.drop_worker(worker);
            }
        }
    }

    async fn payload(&mut self, activity: ActivityId, revision: RevisionNo) -> Result<Option<Payload>, StoreError> {
        let wanted = (activity, revision);
        if let Some((_, payload)) = self.payloads.iter().find(|(kept, _)| *kept == wanted) {
            return Ok(Some(payload.clone()));
        }
        let payload = self.shared.store.payload(activity, revision).await?;
        if let Some(payload) = &payload {
            self.payloads.truncate(KEPT_PAYLOADS - 1);
            self.payloads.push_front((wanted, payload.clone()));
        }
        Ok(payload)
    }

    fn create(&self, worker: WorkerId, isolation: Isolation) {
        let provisioner = self.provisioner.clone();
        let spec = WorkerSpec { store: self.store, slots: self.slots, isolation };
        let crashed = move |why| Input::Created { worker, result: Err(ProvisionError::new(why)) };
        self.later(&self.machines, crashed, async move {
            let result = provisioner.create(worker, &spec).await;
            Some(Input::Created { worker, result })
        });
    }

    fn destroy(&self, worker: WorkerId) {
        let provisioner = self.provisioner.clone();
        let crashed = move |why| Input::Destroyed { worker, result: Err(why) };
        self.later(&self.machines, crashed, async move {
            let result = provisioner.destroy(worker).await.map_err(|error| error.message);
            Some(Input::Destroyed { worker, result })
        });
    }

    fn list(&self) {
        let provisioner = self.provisioner.clone();
        self.later(&self.machines, |_| Input::Tick, async move {
            match provisioner.list().await {
                Ok(workers) => Some(Input::Listed(workers)),
                Err(error) => {
                    tracing::warn!("workers could not be listed and are listed again later: {error}");
                    None
                }
            }
        });
    }

    fn fetch(&self, activity: ActivityId, revision: RevisionNo, url: Arc<str>) {
        let (fetch, max) = (self.shared.fetch.clone(), self.max_payload);
        let crashed = move |why| Input::Fetched { activity, revision, result: Err(why) };
        self.later(&self.fetches, crashed, async move {
            let result = match fetch {
                Some(fetch) => fetch_script(&*fetch, &url, max).await,
                None => Err(NO_FETCHER.to_owned()),
            };
            Some(Input::Fetched { activity, revision, result })
        });
    }

    /// Does something in a task and sends what came of it to the engine, also of a panic. Ends with the engine.
    fn later(
        &self,
        room: &Arc<Semaphore>,
        crashed: impl FnOnce(String) -> Input + Send + 'static,
        work: impl Future<Output = Option<Input>> + Send + 'static,
    ) {
        let (room, inbox, stop) = (room.clone(), self.inbox.clone(), self.shared.stop_token());
        self.shared.spawn(async move {
            let all = async {
                // Never closed.
                let _permit = room.acquire().await;
                let done = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
                    let why = format!("the backend crashed: {}", said_in(&*panic));
                    tracing::error!("{why}");
                    Some(crashed(why))
                });
                if let Some(input) = done {
                    let _ = inbox.send(Message::Happened(input)).await;
                }
            };
            stop.run_until_cancelled(all).await;
        });
    }
}

/// Fetches a script and pins it: the bytes, and their sha256 in hexadecimal.
async fn fetch_script(fetch: &dyn FetchScript, url: &str, max: usize) -> Result<(Payload, String), String> {
    let bytes = fetch.fetch(url).await?.bytes;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(format!("the script at {url} is empty; it must leave a file main.sh"));
    }
    if bytes.len() > max {
        return Err(format!("the script at {url} has {} bytes and at most {max} are allowed", bytes.len()));
    }
    let sha256 = sha256(&bytes);
    Ok((Payload::Script(bytes), sha256))
}

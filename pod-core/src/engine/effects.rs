//! Performs what was committed. Orders go into outboxes at once; what takes time runs in tasks of its own, whose
//! results come back as inputs.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::{Semaphore, mpsc};

use super::{
    later::later,
    machines::Machines,
    message::Message,
    outboxes::Outboxes,
    prepare::{NO_FETCHER, sha256},
    shared::Shared,
};
use crate::{
    domain::{ActivityId, Age, Millis, Payload, RevisionNo, WorkerId},
    fetcher::FetchScript,
    link::ToWorker,
    plan::{Config, Effect, Input, State},
    provisioner::Provisioner,
    store::StoreError,
};

/// How many scripts are fetched at a time.
const AT_A_TIME: usize = 16;
/// How many payloads are kept for the next worker that installs them.
const KEPT_PAYLOADS: usize = 4;

/// Performs effects.
pub(super) struct Performer {
    shared: Arc<Shared>,
    /// Where results go.
    inbox: mpsc::Sender<Message>,
    machines: Machines,
    install_timeout: Millis,
    max_payload: usize,
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
            machines: Machines::new(shared.clone(), inbox.clone(), provisioner, config),
            shared,
            inbox,
            install_timeout: config.limits.install_timeout,
            max_payload: config.limits.max_payload,
            fetches: Arc::new(Semaphore::new(AT_A_TIME)),
            payloads: VecDeque::new(),
        }
    }

    pub(super) fn provisioner(&self) -> Arc<dyn Provisioner> {
        self.machines.provisioner()
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
                Effect::Create(worker, isolation) => self.machines.create(worker, isolation),
                Effect::Destroy(worker) => self.machines.destroy(worker),
                Effect::List => self.machines.list(),
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

    fn fetch(&self, activity: ActivityId, revision: RevisionNo, url: Arc<str>) {
        let (fetch, max) = (self.shared.fetch.clone(), self.max_payload);
        let crashed = move |why| Input::Fetched { activity, revision, result: Err(why) };
        let room = self.fetches.clone();
        later(&self.shared, &self.inbox, crashed, async move {
            // Never closed.
            let _permit = room.acquire().await;
            let result = match fetch {
                Some(fetch) => fetch_script(&*fetch, &url, max).await,
                None => Err(NO_FETCHER.to_owned()),
            };
            Some(Input::Fetched { activity, revision, result })
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

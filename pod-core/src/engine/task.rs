//! The task of the manager: hands in what happened, and performs what the manager wants done.
//!
//! It decides nothing. Reads and commits are waited for, so that nothing overtakes them; links are never waited for, and
//! what takes long runs in tasks of its own, whose results come back as messages.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    fetches::Fetches,
    leave::leave,
    message::{Admitted, Answer, LinkHandle, Message},
    panic::said_in,
    provisioning::Provisioning,
    renewal::Renewal,
    shared::Shared,
    store_calls,
};
use crate::{
    api::PodError,
    domain::{Epoch, SessionId},
    manager::{Action, Asked, Input, Loaded, Manager, ManagerConfig, Notice, Published, Severity},
    plan::{self, ReplyId},
    provisioner::{Admission, Provisioner},
    store::StoreError,
};

/// How long the end waits for a store to take the lease back.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// The task, before it runs.
pub(crate) struct ManagerTask {
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Message>,
    manager: Manager,
    /// Callers who wait for an answer.
    replies: HashMap<ReplyId, Answer>,
    next_reply: u64,
    links: HashMap<SessionId, LinkHandle>,
    provisioning: Provisioning,
    fetches: Fetches,
    renewal: Renewal,
    /// The manager was told that it is to end.
    told_to_close: bool,
    /// Cancelled when the workers that end with this process have left, once that was asked for.
    left: Option<CancellationToken>,
}

impl ManagerTask {
    /// A task for what was just loaded.
    pub(crate) fn new(
        shared: Arc<Shared>,
        (sender, inbox): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
        config: ManagerConfig,
        loaded: Loaded,
        provisioner: Arc<dyn Provisioner>,
    ) -> Self {
        let provisioning = Provisioning::new(shared.clone(), sender.clone(), provisioner, &config.plan);
        let fetches = Fetches::new(shared.clone(), sender, config.plan.limits.max_payload);
        let manager = Manager::new(config, loaded, shared.now());
        let mut task = Self {
            shared,
            inbox,
            manager,
            replies: HashMap::new(),
            next_reply: 0,
            links: HashMap::new(),
            provisioning,
            fetches,
            renewal: Renewal::default(),
            told_to_close: false,
            left: None,
        };
        task.reloaded();
        task
    }

    /// Runs until it is asked to end, or cannot go on.
    pub(crate) async fn run(mut self) {
        // Also when this task is thrown away, callers and `Pod::stopped` get to know.
        let _end = EndGuard(self.shared.clone());
        // After a panic nothing of the state is used any more: it may be anything.
        let ended = AssertUnwindSafe(self.work()).catch_unwind().await;
        let reason = ended.unwrap_or_else(|panic| PodError::Crashed(said_in(&*panic)));
        if !matches!(reason, PodError::Stopped) {
            tracing::error!("the manager ends: {reason}");
        }
        self.shared.end(reason);
        for (_, link) in self.links.drain() {
            link.cancel.cancel();
        }
    }

    async fn work(&mut self) -> PodError {
        loop {
            if let Some(reason) = self.perform_all().await {
                return reason;
            }
            if !self.told_to_close && self.shared.closing.is_cancelled() {
                self.close();
            } else if self.manager.takes_news()
                && let Ok(message) = self.inbox.try_recv()
            {
                self.hand_in(message);
            } else if !self.is_drained() {
                self.next().await;
            }
        }
    }

    /// Tells the manager that there is no more news at the moment. Whether that gave it something to do.
    fn is_drained(&mut self) -> bool {
        self.handle(Input::Drained);
        self.manager.has_actions()
    }

    /// Waits for the next thing that happens.
    async fn next(&mut self) {
        let due = self.due();
        let left = async {
            match &self.left {
                Some(left) => left.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.shared.closing.cancelled(), if !self.told_to_close => self.close(),
            () = left => {
                self.left = None;
                self.handle(Input::WorkersLeft);
            }
            (epoch, outcome) = self.renewal.outcome() => self.handle(Input::Renewed(epoch, outcome)),
            message = self.inbox.recv(), if self.manager.takes_news() => match message {
                Some(message) => self.hand_in(message),
                None => self.handle(Input::TookAll),
            },
            () = sleep(due.unwrap_or_default()), if due.is_some() => self.handle(Input::Tick),
        }
    }

    fn due(&self) -> Option<Duration> {
        self.manager.next_deadline().map(|due| due.since(self.shared.now().age).as_duration())
    }

    /// Waits for an answer of the store. Nothing else happens meanwhile, but that the lease is renewed.
    async fn answer<T>(&mut self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        loop {
            let due = self.due();
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                (epoch, outcome) = self.renewal.outcome() => self.handle(Input::Renewed(epoch, outcome)),
                () = sleep(due.unwrap_or_default()), if due.is_some() => self.handle(Input::Tick),
            }
            if let Some(epoch) = self.manager.poll_renewal() {
                self.renew(epoch);
            }
        }
    }

    fn renew(&mut self, epoch: Epoch) {
        self.renewal.begin(&self.shared, epoch);
    }

    fn close(&mut self) {
        self.told_to_close = true;
        self.handle(Input::Close);
    }

    fn handle(&mut self, input: Input) {
        self.manager.handle(input, self.shared.now());
    }

    fn hand_in(&mut self, message: Message) {
        let input = match message {
            Message::Request { request, found, reply } => {
                self.next_reply += 1;
                let id = ReplyId(self.next_reply);
                self.replies.insert(id, reply);
                Input::Request(Box::new(Asked { request, reply: id, found }))
            }
            Message::Hello { hello, admission, link } => {
                let session = self.manager.next_session();
                self.links.insert(session, link);
                Input::Happened(plan::Input::Hello { hello, session, anyone: admission == Admission::Anyone })
            }
            Message::Said { worker, session, messages } => Input::Said { worker, session, messages },
            Message::CreationAbandoned(worker) => Input::CreationAbandoned(worker),
            Message::Happened(input) => {
                if let plan::Input::LinkLost { session, .. } = input {
                    self.links.remove(&session);
                }
                Input::Happened(input)
            }
        };
        self.handle(input);
    }

    /// Performs what there is to do. Gives the reason of the end, if it is over.
    async fn perform_all(&mut self) -> Option<PodError> {
        while let Some(action) = self.manager.poll() {
            match action {
                Action::Read(query) => {
                    let store = self.shared.store.clone();
                    let answer = self.answer(store_calls::read(&*store, query)).await;
                    self.handle(Input::Read(answer));
                }
                Action::Commit(batch) => {
                    let (rows, begun) = (batch.changes.len() + batch.events.len(), Instant::now());
                    let store = self.shared.store.clone();
                    let outcome = self.answer(store.commit(batch)).await;
                    if outcome.is_ok() && rows > 0 {
                        self.shared.observer.committed(rows, begun.elapsed());
                    }
                    self.handle(Input::Committed(outcome));
                }
                Action::Load => {
                    let shared = self.shared.clone();
                    let loaded = self.answer(store_calls::load(&shared)).await.map_err(|error| match error {
                        PodError::Store(error) => error,
                        // Another manager holds the store.
                        _ => StoreError::Fenced,
                    });
                    self.handle(Input::Loaded(loaded.map(Box::new)));
                }
                Action::Release(epoch) => {
                    // Unless it is given back it expires.
                    let _ = timeout(RELEASE_TIMEOUT, self.shared.store.release(epoch)).await;
                }
                Action::End(reason) => return Some(reason),
                action => self.perform(action),
            }
        }
        None
    }

    /// Performs what need not be waited for.
    fn perform(&mut self, action: Action) {
        match action {
            Action::Publish(published) => self.publish(*published),
            Action::Reloaded => self.reloaded(),
            Action::Reply(id, answer) => {
                if let Some(reply) = self.replies.remove(&id) {
                    // The caller may have gone away; what was asked for is done all the same.
                    let _ = reply.send(answer);
                }
            }
            Action::Admit(session, worker) => {
                if let Some(admitted) = self.links.get_mut(&session).and_then(|link| link.admitted.take()) {
                    // It is gone already when it cannot be told.
                    let _ = admitted.send(Admitted { worker, session });
                }
            }
            Action::Refuse(session, refusal) => {
                if let Some(link) = self.links.remove(&session) {
                    // The link sends what is in its outbox, and ends when nobody can put more into it.
                    let _ = link.outbox.try_send(crate::link::ToWorker::Refused(refusal));
                }
            }
            Action::Send(session, message) => {
                let sent = self.links.get(&session).is_some_and(|link| link.outbox.try_send(message).is_ok());
                if !sent {
                    self.handle(Input::NotSent(session));
                }
            }
            Action::Disconnect(session) => {
                if let Some(link) = self.links.remove(&session) {
                    link.cancel.cancel();
                }
            }
            Action::Create(worker, isolation) => self.provisioning.create(worker, isolation),
            Action::AbandonCreation(worker) => self.provisioning.abandon_creation(worker),
            Action::Destroy(worker) => self.provisioning.destroy(worker),
            Action::List => self.provisioning.list(),
            Action::Fetch(activity, revision, url) => self.fetches.fetch(activity, revision, url),
            Action::Trouble(why) => self.shared.set_trouble(why),
            Action::Note(notice) => log(&notice),
            Action::Leave => self.left = Some(leave(&self.shared, self.provisioning.provisioner())),
            Action::TakeNoMore => self.inbox.close(),
            Action::Renew(epoch) => self.renew(epoch),
            Action::Read(_) | Action::Commit(_) | Action::Load | Action::Release(_) | Action::End(_) => {
                unreachable!("it is waited for")
            }
        }
    }

    /// Lets a committed round show.
    fn publish(&self, published: Published) {
        let Published { measures, names, closed, opened, touched, newest_event } = published;
        if !measures.is_empty() {
            self.shared.observer.measured(&measures, &|id| names.get(&id).cloned());
        }
        self.shared.attempts_changed(&closed, &opened);
        self.shared.topics.changed(&touched);
        self.shared.newest_event.send_if_modified(|seq| std::mem::replace(seq, newest_event) != newest_event);
    }

    /// Lets a loaded state show.
    fn reloaded(&mut self) {
        self.shared.attempts_loaded(self.manager.open_attempts());
        self.shared.newest_event.send_replace(self.manager.newest_event());
        self.shared.topics.all_changed();
    }
}

fn log(notice: &Notice) {
    match notice.severity() {
        Severity::Error => tracing::error!("{notice}"),
        Severity::Warning => tracing::warn!("{notice}"),
    }
}

/// Tells of the end of the task, whatever its cause.
struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end(PodError::Stopped);
    }
}

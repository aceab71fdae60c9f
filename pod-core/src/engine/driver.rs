//! The task that owns the planner's state.
//!
//! It works in rounds: collect inputs and step them, plan, commit one batch, and then, with nothing uncommitted left,
//! publish, answer, perform, and read on in the queues.

use std::{
    collections::{BTreeSet, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

use super::{
    effects::Performer,
    message::{Answer, Message},
    outboxes::Outboxes,
    panic::said_in,
    phase::Phase,
    prepare::{execution_of, key_of, weight},
    shared::Shared,
};
use crate::{
    api::{PodError, Request},
    domain::{Age, ExecutionId},
    plan::{Config, Decision, Found, Input, Refill, ReplyId, SlipKind, State},
    provisioner::{Admission, Provisioner},
    store::StoreError,
};

/// Inputs of one round at most, so that the first caller of it does not wait for the last.
const ROUND: usize = 2048;
/// How long news of workers, for which nobody waits, collects into one batch.
const LINGER: Duration = Duration::from_millis(4);
/// Rounds that follow each other faster than this are worth collecting.
const BUSY: Duration = Duration::from_millis(10);
/// The planner looks at the clock at least so often.
const TICK: Duration = Duration::from_millis(500);

/// The task, before it runs.
pub(crate) struct Driver {
    pub(super) shared: Arc<Shared>,
    inbox: mpsc::Receiver<Message>,
    pub(super) config: Config,
    pub(super) state: State,
    /// What the round under way has decided so far.
    decision: Decision,
    /// Callers who wait for the end of the round.
    replies: HashMap<ReplyId, Answer>,
    next_reply: u64,
    pub(super) outboxes: Outboxes,
    pub(super) performer: Performer,
    pub(super) phase: Phase,
    /// The kinds of slips of the scheduler that were told.
    told_slips: BTreeSet<SlipKind>,
    /// How much the round under way holds.
    inputs: usize,
    /// The round under way holds something that a caller waits for.
    urgent: bool,
    /// Something was stepped that needs no further input to be planned.
    again: bool,
    last_round: Instant,
    pub(super) last_look_for_room: Instant,
}

impl Driver {
    /// A task for a state that was just loaded.
    pub(crate) fn new(
        shared: Arc<Shared>,
        (sender, inbox): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
        config: Config,
        state: State,
        provisioner: Arc<dyn Provisioner>,
    ) -> Self {
        shared.attempts_loaded(state.open_attempts());
        shared.newest_event.send_replace(state.newest_event());
        let performer = Performer::new(shared.clone(), sender, provisioner, &config);
        Self {
            shared,
            inbox,
            config,
            state,
            decision: Decision::default(),
            replies: HashMap::new(),
            next_reply: 0,
            outboxes: Outboxes::default(),
            performer,
            phase: Phase::Running,
            told_slips: BTreeSet::new(),
            inputs: 0,
            urgent: false,
            again: true,
            last_round: Instant::now(),
            last_look_for_room: Instant::now(),
        }
    }

    /// Runs until it is asked to end, or cannot go on.
    pub(crate) async fn run(mut self) {
        // Also when this task is thrown away, callers and `Pod::stopped` get to know.
        let _end = EndGuard(self.shared.clone());
        // After a panic nothing of the state is used any more: it may be anything.
        let ended = AssertUnwindSafe(self.rounds()).catch_unwind().await;
        let reason = match ended.unwrap_or_else(|panic| Err(PodError::Crashed(said_in(&*panic)))) {
            Ok(()) => PodError::Stopped,
            Err(reason) => {
                tracing::error!("the manager ends: {reason}");
                reason
            }
        };
        self.shared.end(reason);
        self.outboxes.clear();
    }

    async fn rounds(&mut self) -> Result<(), PodError> {
        self.step(Input::Started);
        loop {
            let closing = self.next_of_closing();
            tokio::select! {
                biased;
                () = closing.cancelled() => self.go_on_closing(),
                first = self.first() => {
                    match first {
                        Some(message) => self.take(message).await?,
                        None => self.step(Input::Tick),
                    }
                }
            }
            if self.is_closed() {
                return self.finish_accepted().await;
            }
            self.collect().await?;
            self.finish_round().await?;
            self.look_for_room().await;
        }
    }

    /// The message that begins a round; none when the time has come for something.
    async fn first(&mut self) -> Option<Message> {
        if std::mem::take(&mut self.again) {
            return self.inbox.try_recv().ok();
        }
        if let Ok(message) = self.inbox.try_recv() {
            return Some(message);
        }
        let wait = self.state.next_wakeup().since(self.shared.now().age).as_duration();
        // Never a busy loop, whatever the planner waits for.
        let wait = wait.clamp(Duration::from_millis(1), TICK);
        timeout(wait, self.inbox.recv()).await.ok().flatten()
    }

    /// Takes what else belongs into the round.
    async fn collect(&mut self) -> Result<(), PodError> {
        let busy = self.last_round.elapsed() < BUSY;
        let linger = Instant::now() + LINGER;
        while self.inputs < ROUND {
            if let Ok(message) = self.inbox.try_recv() {
                self.take(message).await?;
            } else if self.urgent || !busy {
                break;
            } else {
                match timeout_at(linger, self.inbox.recv()).await {
                    Ok(Some(message)) => self.take(message).await?,
                    Ok(None) | Err(_) => break,
                }
            }
        }
        Ok(())
    }

    /// Carries out what was accepted before the end.
    async fn finish_accepted(&mut self) -> Result<(), PodError> {
        self.inbox.close();
        while let Some(message) = self.inbox.recv().await {
            self.take(message).await?;
            self.collect().await?;
            self.finish_round().await?;
        }
        self.state.write_statistics(&mut self.decision);
        self.finish_round().await
    }

    async fn take(&mut self, message: Message) -> Result<(), PodError> {
        match message {
            Message::Request { request, found, reply } => return self.take_request(request, *found, reply).await,
            Message::Hello { hello, admission, link } => {
                let session = self.state.next_session();
                self.outboxes.arrived(session, link);
                self.step(Input::Hello { hello, session, anyone: admission == Admission::Anyone });
            }
            Message::Said { worker, session, messages } => {
                for message in messages {
                    self.step(Input::Said { worker, session, message });
                }
            }
            Message::Happened(input) => {
                if let Input::LinkLost { worker, session } = input {
                    self.outboxes.left(worker, session);
                }
                self.step(input);
            }
        }
        Ok(())
    }

    pub(super) fn step(&mut self, input: Input) {
        self.inputs += 1;
        self.state.step(input, self.shared.now(), &mut self.decision);
    }

    /// Takes a request, with what the store holds of what it names. That is read while nothing of it is uncommitted:
    /// where the round under way changed it, the round is finished first.
    async fn take_request(&mut self, request: Request, mut found: Found, reply: Answer) -> Result<(), PodError> {
        let execution = execution_of(&request);
        let changed = execution.is_some_and(|id| self.decision.holds(id))
            || key_of(&request).is_some_and(|key| self.decision.holds_key(key));
        if changed {
            self.finish_round().await?;
        }
        if let Err(error) = self.find(execution, key_of(&request), &mut found).await {
            let _ = reply.send(Err(error));
            return Ok(());
        }
        self.urgent = true;
        self.inputs += weight(&request);
        self.next_reply += 1;
        let id = ReplyId(self.next_reply);
        self.replies.insert(id, reply);
        self.step(Input::Request { request, reply: id, found: Box::new(found) });
        Ok(())
    }

    async fn find(&self, id: Option<ExecutionId>, key: Option<&str>, found: &mut Found) -> Result<(), PodError> {
        let store = &self.shared.store;
        if let Some(id) = id {
            found.execution = store.execution(id).await?;
        }
        if let Some(key) = key
            && let Some(record) = store.idempotency(key).await?
        {
            let first = store.execution(ExecutionId(record.executions.start)).await?;
            found.idempotency = Some((record, first));
        }
        Ok(())
    }

    /// Plans and commits what the round has collected, and lets it show.
    async fn finish_round(&mut self) -> Result<(), PodError> {
        self.state.plan(self.shared.now(), &mut self.decision);
        self.tell_slips();
        for change in std::mem::take(&mut self.decision.clock_changes) {
            tracing::warn!("{}", change.sentence());
        }
        let mut batch = self.state.batch(&mut self.decision);
        if let Some(batch) = &mut batch {
            batch.boot = self.shared.boot();
        }
        let round = std::mem::take(&mut self.decision);
        (self.inputs, self.urgent) = (0, false);
        let rows = batch.as_ref().map_or(0, |batch| batch.changes.len() + batch.events.len());
        let begun = Instant::now();
        if let Some(batch) = batch
            && let Err(error) = self.commit(Arc::new(batch)).await
        {
            self.refuse_round(round, &error);
            self.start_over(error).await?;
            self.last_round = Instant::now();
            return Ok(());
        }
        if rows > 0 {
            self.shared.observer.committed(rows, begun.elapsed());
        }
        self.publish(round).await;
        self.read_on().await;
        self.last_round = Instant::now();
        Ok(())
    }

    /// Tells what the scheduler got wrong, each kind once: a slip may come in every round.
    fn tell_slips(&mut self) {
        for (kind, what) in std::mem::take(&mut self.decision.slips) {
            if self.told_slips.insert(kind) {
                tracing::error!("the scheduler is at fault, {kind} ({what}); that is left out, and told this once");
            }
        }
    }

    /// Lets a committed round show: nobody sees anything of it before.
    async fn publish(&mut self, round: Decision) {
        if !round.measures.is_empty() {
            self.shared.observer.measured(&round.measures, &|id| self.state.names.get(&id).cloned());
        }
        self.shared.attempts_changed(&round.closed, &round.opened);
        self.shared.topics.changed(&round.touched);
        let newest = self.state.newest_event();
        self.shared.newest_event.send_if_modified(|seq| std::mem::replace(seq, newest) != newest);
        for (id, answer) in round.replies {
            if let Some(reply) = self.replies.remove(&id) {
                // The caller may have gone away; what was asked for is done all the same.
                let _ = reply.send(answer);
            }
        }
        let expired = self.performer.perform(round.effects, &self.state, &mut self.outboxes).await;
        for (worker, session) in self.outboxes.take_broken() {
            self.step(Input::LinkLost { worker, session });
            self.again = true;
        }
        if let Some(before) = expired {
            self.expire(before).await;
        }
    }

    /// Answers a round that could not be committed: what went well did not.
    fn refuse_round(&mut self, round: Decision, error: &StoreError) {
        for (id, answer) in round.replies {
            if let Some(reply) = self.replies.remove(&id) {
                let _ = reply.send(answer.and(Err(PodError::Store(error.clone()))));
            }
        }
        // What else was asked for in this round is answered by its end.
        self.replies.clear();
    }

    /// Reads on in the queues that run low. Nothing is uncommitted here, and what is read is stepped at once.
    async fn read_on(&mut self) {
        for Refill { activity, revision, after, limit } in self.state.refills() {
            match self.shared.store.claim(activity, revision, after, Age::MAX, limit).await {
                Ok(claimed) => {
                    self.step(Input::Claimed(activity, revision, claimed));
                    self.again = true;
                }
                Err(error) => tracing::warn!(%activity, "a queue could not be read and is tried again: {error}"),
            }
        }
    }

    /// Finds what the retention deletes. Read and stepped here for the same reason: nothing lies between.
    async fn expire(&mut self, before: Age) {
        /// Deleted at a time, so that a large deletion holds nothing up.
        const PAGE: usize = 500;
        match self.shared.store.expired(before, PAGE).await {
            Ok(expired) => {
                self.again |= !expired.is_empty();
                self.step(Input::Expired(expired));
            }
            Err(error) => tracing::warn!("the retention could not be carried out and is tried again: {error}"),
        }
    }
}

/// Tells of the end of the task, whatever its cause.
struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end(PodError::Stopped);
    }
}

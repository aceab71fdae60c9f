//! The store of the manager: the in-memory one, which answers late, is away, is full, refuses, and whose answers get lost.

use std::{fmt, sync::Arc};

use super::{super::options::Mutant, SimEvent, Step, World, now_or_never};
use crate::{
    engine::read,
    manager::{Answer, Input, Query},
    store::{Batch, Change, Store, StoreError},
};

/// Changes in few words.
struct Brief<'a>(&'a [Change]);

impl fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in self.0 {
            match change {
                Change::InsertExecution(execution) => write!(f, "{} is new; ", execution.id),
                Change::UpdateExecution(update) => write!(f, "{} {:?}; ", update.id, update.status),
                Change::PutWorker(worker) => write!(f, "worker {} {:?}; ", worker.id, worker.status),
                Change::PutInstallation(made) => {
                    write!(f, "{}.{} on {} {:?}; ", made.activity, made.revision, made.worker, made.status)
                }
                Change::PutRevision(revision) => {
                    write!(f, "{}.{} {:?}; ", revision.activity, revision.no, revision.status)
                }
                other => write!(f, "{other:?}; "),
            }?;
        }
        Ok(())
    }
}

impl World {
    /// The store answers the manager, at once or a while later.
    fn answer_later(&mut self, input: Input) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        let number = process.number;
        if !self.luck.store.per_mille(300) {
            let now = self.clock();
            if let Some(process) = &mut self.process {
                process.manager.handle(input, now);
            }
            return Ok(());
        }
        process.waits = true;
        let delay = self.luck.store.between(1, 40).cast_signed();
        self.at(delay, SimEvent::Answered(number, input));
        Ok(())
    }

    /// Whether nobody answers at the moment.
    pub(super) const fn is_store_away(&self) -> bool {
        self.now < self.away_until
    }

    pub(super) fn read(&mut self, query: Query) -> Step {
        if self.is_store_away() {
            let error = || StoreError::Unavailable("nobody answers".into());
            let answer = match query {
                Query::Rows { .. } => Answer::Rows(Err(error())),
                Query::Queue(_) => Answer::Queue(Err(error())),
                Query::Expired { .. } => Answer::Expired(Err(error())),
                Query::Room => Answer::Room(true),
            };
            return self.answer_later(Input::Read(answer));
        }
        let answer = match query {
            Query::Room => Answer::Room(self.has_room()),
            query => now_or_never(read(&self.store, query)),
        };
        if let Answer::Expired(Ok(expired)) = &answer {
            self.report.deleted += expired.len() as u64;
        }
        self.answer_later(Input::Read(answer))
    }

    pub(super) fn load_again(&mut self) -> Step {
        let loaded = self.load(false).and_then(|loaded| loaded.ok_or(StoreError::Fenced));
        self.answer_later(Input::Loaded(loaded.map(Box::new)))
    }

    /// A commit, with everything that can go wrong around it.
    pub(super) fn commit(&mut self, mut batch: Arc<Batch>) -> Step {
        let id = Some((batch.epoch, batch.seq));
        if self.decided.0 != id {
            self.note(&("commit", Brief(&batch.changes)));
            self.decided = (id, self.now);
        }
        if self.fault(4) {
            self.crash_manager(); // before the commit
            return Ok(());
        }
        if self.options.mutant == Some(Mutant::ActBeforeCommit) {
            let Some(process) = &self.process else { return Ok(()) };
            self.at(20, SimEvent::LateCommit(process.number, batch));
            return self.answer_later(Input::Committed(Ok(())));
        }
        if self.is_store_away() {
            return self.answer_later(Input::Committed(Err(StoreError::Unavailable("nobody answers".into()))));
        }
        if let Some(error) = self.refusal(&batch) {
            self.note(&("refused", &error));
            self.report.refusals += 1;
            let kept = self.options.mutant == Some(Mutant::KeepWhatWasRefused);
            return self.answer_later(Input::Committed(if kept { Ok(()) } else { Err(error) }));
        }
        if self.options.mutant == Some(Mutant::ForgetEnds) {
            Arc::make_mut(&mut batch).changes.retain(|change| !matches!(change, Change::EndAttempt { .. }));
        }
        let outcome = self.apply(&batch)?;
        if self.fault(4) {
            self.crash_manager(); // between commit and effect
            return Ok(());
        }
        if outcome.is_ok() && self.fault(10) {
            self.report.lost_answers += 1;
            return self.answer_later(Input::Committed(Err(StoreError::Unavailable("its answer was lost".into()))));
        }
        self.answer_later(Input::Committed(outcome))
    }

    /// The store takes a batch, unless it has taken it or serves another manager.
    pub(super) fn apply(&mut self, batch: &Arc<Batch>) -> Step<Result<(), StoreError>> {
        let is_new = self.applied != Some((batch.epoch, batch.seq));
        let outcome = now_or_never(self.store.commit(batch.clone()));
        match &outcome {
            Ok(()) if is_new => {
                self.applied = Some((batch.epoch, batch.seq));
                self.checker.batch(batch, self.decided.1)?;
                self.note_servers(batch);
            }
            Ok(()) | Err(StoreError::Fenced) => {}
            Err(error) => return Err(format!("commit: {error}")),
        }
        Ok(outcome)
    }
}

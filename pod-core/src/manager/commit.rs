//! The commit of a round, and what follows from each way in which it ends.

use std::sync::Arc;

use super::{
    action::{Action, Published},
    input::Loaded,
    machine::Manager,
    notice::Notice,
    renewal::Renewal,
    round::Round,
    work::{RETRY_DELAYS, Retry, Waiting, Work},
};
use crate::{
    api::PodError,
    domain::Millis,
    plan::{Decision, State},
    store::StoreError,
};

/// How often the store is asked whether it has room: output, which goes past the manager, may have found none.
const LOOK_FOR_ROOM_EVERY: Millis = Millis(1000);

impl Manager {
    /// Plans, and commits what the round has collected.
    pub(super) fn close_round(&mut self) {
        let mut decision = std::mem::take(&mut self.round).decision;
        self.state.plan(self.now, &mut decision);
        for (kind, what) in std::mem::take(&mut decision.slips) {
            if self.told_slips.insert(kind) {
                self.note(Notice::Slip(kind, what));
            }
        }
        for change in std::mem::take(&mut decision.clock_changes) {
            self.note(Notice::ClockSet(change));
        }
        match self.state.batch(&mut decision) {
            Some(mut batch) => {
                batch.boot = self.boot;
                let batch = Arc::new(batch);
                self.act(Action::Commit(batch.clone()));
                self.waiting = Some(Waiting::Commit { batch, round: Box::new(decision), retry: Retry::begun() });
            }
            None => self.show(decision),
        }
    }

    /// The store has taken the round, or not. One that is away gets the same batch again until it takes it: it
    /// recognises one that it has already taken. Nothing is performed meanwhile.
    pub(super) fn committed(&mut self, outcome: Result<(), StoreError>) {
        let Some(Waiting::Commit { batch, round, retry }) = self.waiting.take() else {
            unreachable!("no commit was asked for")
        };
        let error = match outcome {
            Ok(()) => {
                self.set_trouble(None);
                return self.show(*round);
            }
            Err(StoreError::Unavailable(why)) => match self.try_again(retry, &why) {
                Some(retry) => return self.waiting = Some(Waiting::Commit { batch, round, retry }),
                None => StoreError::Unavailable(why),
            },
            Err(error) => {
                self.set_trouble(None);
                error
            }
        };
        self.refuse(*round, &error);
        self.start_over(error);
    }

    /// The next try at a store that is away; nothing when the manager ends and has waited long enough.
    fn try_again(&mut self, retry: Retry, why: &Arc<str>) -> Option<Retry> {
        self.set_trouble(Some(why.clone()));
        let (retry, again_in) = retry.after_failure(self.phase.is_closing(), self.now.age)?;
        self.note(Notice::StoreAway { why: why.clone(), again_in });
        Some(retry)
    }

    /// Lets a committed round show: nobody sees anything of it before.
    fn show(&mut self, round: Decision) {
        let published = Published {
            measures: round.measures,
            names: self.state.names.clone(),
            closed: round.closed,
            opened: round.opened,
            touched: round.touched,
            newest_event: self.state.newest_event(),
        };
        self.act(Action::Publish(Box::new(published)));
        self.actions.extend(round.replies.into_iter().map(|(reply, answer)| Action::Reply(reply, answer)));
        // A request that waits for the commit is taken last: what it changes must not be read as it was before.
        let mut asked = std::mem::take(&mut self.work);
        self.work.extend(round.effects.into_iter().map(Work::Perform));
        self.work.push_back(Work::ReadOn);
        if self.now.age.since(self.looked_for_room) >= LOOK_FOR_ROOM_EVERY {
            self.looked_for_room = self.now.age;
            self.work.push_back(Work::LookForRoom);
        }
        self.work.append(&mut asked);
        self.last_round = self.now.age;
    }

    /// Answers a round that could not be committed: what went well did not.
    fn refuse(&mut self, round: Decision, error: &StoreError) {
        for (reply, answer) in round.replies {
            self.act(Action::Reply(reply, answer.and(Err(PodError::Store(error.clone())))));
        }
    }

    /// After a round that was not committed: what the store holds is loaded anew, or it is over.
    fn start_over(&mut self, error: StoreError) {
        if !matches!(error, StoreError::Full(_) | StoreError::Conflict(_)) {
            return self.end(PodError::Store(error));
        }
        self.note(Notice::Refused(error.clone()));
        // Links end, and their workers' next hellos tell what the new state does not know: ends are reported again.
        let ended = self.links.end_all();
        self.actions.extend(ended.into_iter().map(Action::Disconnect));
        self.round = Round::default();
        // A store that stays full, or refuses every round, is not asked in a busy loop.
        self.waiting = Some(Waiting::Load { error, retry: Retry::due(self.now.age + RETRY_DELAYS.0) });
    }

    /// The state as the store has it is there, or is not.
    pub(super) fn loaded(&mut self, outcome: Result<Box<Loaded>, StoreError>) {
        let Some(Waiting::Load { error, retry }) = self.waiting.take() else {
            unreachable!("nothing was to be loaded")
        };
        match outcome {
            Ok(loaded) => {
                self.set_trouble(None);
                self.config.plan.epoch = loaded.epoch;
                self.renewal = Renewal::of_acquired(self.now.age, self.config.plan.limits.lease_ttl);
                self.boot = loaded.boot;
                self.state = State::load(self.config.plan.clone(), loaded.snapshot, self.now);
                self.state.are_being_destroyed(self.calls.destroyed());
                self.state.set_full(matches!(error, StoreError::Full(_)));
                if self.phase.is_closing() {
                    self.state.give_nothing_out();
                }
                self.last_round = self.now.age;
                self.act(Action::Reloaded);
            }
            // Taking the lease may need space too.
            Err(StoreError::Unavailable(why) | StoreError::Full(why)) => match self.try_again(retry, &why) {
                Some(retry) => self.waiting = Some(Waiting::Load { error, retry }),
                None => self.end(PodError::Store(StoreError::Unavailable(why))),
            },
            Err(error) => self.end(error.into()),
        }
    }
}

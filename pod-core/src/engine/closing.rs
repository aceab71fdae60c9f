//! The end of the engine: no new work is given out, workers that end with this process leave in an orderly way, and what
//! they tell meanwhile is taken as ever. Then what was accepted is committed.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{driver::Driver, phase::Phase};
use crate::{domain::Millis, provisioner::Provisioner};

/// Beyond the time that what runs may take and its grace time, workers may take so long to leave.
const SLACK: Duration = Duration::from_secs(15);
/// How long the engine listens for what workers that have left said last.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Driver {
    /// Begins to end. Nothing is given out from now on.
    pub(super) fn begin_to_close(&mut self) {
        self.state.give_nothing_out();
        let left = CancellationToken::new();
        self.phase = Phase::Leaving(left.clone());
        let provisioner = self.performer.provisioner();
        if provisioner.workers_stay() {
            return left.cancel();
        }
        let (mut within, grace) = (self.shared.leave_within.subscribe(), self.config.limits.grace);
        self.shared.spawn(async move {
            let _left = left.drop_guard();
            loop {
                let time = *within.borrow_and_update();
                tokio::select! {
                    () = leave(&provisioner, time, grace) => return,
                    Ok(()) = within.changed() => {}
                }
            }
        });
    }

    /// What the end waits for. Never while nobody asked for it.
    pub(super) fn next_of_closing(&self) -> CancellationToken {
        match &self.phase {
            Phase::Running => self.shared.closing.clone(),
            Phase::Leaving(left) => left.clone(),
            Phase::Left(_) => CancellationToken::new(),
        }
    }

    /// Goes on when what the end waited for has come.
    pub(super) fn go_on_closing(&mut self) {
        match &self.phase {
            Phase::Running => self.begin_to_close(),
            Phase::Leaving(_) => {
                let stay = self.performer.provisioner().workers_stay();
                self.phase = Phase::Left(Instant::now() + if stay { Duration::ZERO } else { LAST_WORDS });
            }
            Phase::Left(_) => {}
        }
    }

    /// Whether nothing is left to wait for.
    pub(super) fn is_closed(&self) -> bool {
        match &self.phase {
            Phase::Left(until) => Instant::now() >= *until || !self.state.hears_created_workers(),
            Phase::Running | Phase::Leaving(_) => false,
        }
    }
}

/// Lets workers leave, and does not wait for ever.
async fn leave(provisioner: &Arc<dyn Provisioner>, within: Duration, grace: Millis) {
    let patience = within.saturating_add(grace.as_duration()).saturating_add(SLACK);
    if timeout(patience, provisioner.leave(within)).await.is_err() {
        tracing::warn!("workers did not leave within {}; they are ended with the engine", Millis::from(patience));
    }
}

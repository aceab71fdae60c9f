//! What a commit leads to that does not succeed. Each kind of error has one reaction.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{driver::Driver, phase::Phase};
use crate::{
    api::PodError,
    plan::State,
    store::{Batch, StoreError},
};

/// The pauses between tries while the store is away: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How long the end of the engine waits for a store that is away.
const LAST_TRIES: Duration = Duration::from_secs(5);

/// How often the store is asked whether it has room: output, which goes past the engine, may have found none.
const LOOK_FOR_ROOM: Duration = Duration::from_secs(1);

/// Tries again while the store is away, and perform nothing meanwhile.
struct Patience {
    pause: Duration,
    closing_since: Option<Instant>,
}

impl Patience {
    const fn new() -> Self {
        Self { pause: PAUSES.0, closing_since: None }
    }
}

impl Driver {
    /// Commits a batch. A store that is away gets the same batch again until it takes it: it recognises one that it
    /// has already taken.
    pub(super) async fn commit(&mut self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let mut patience = Patience::new();
        loop {
            match self.shared.store.commit(batch.clone()).await {
                Err(StoreError::Unavailable(why)) => self.wait_for_store(why, &mut patience).await?,
                outcome => {
                    self.shared.set_trouble(None);
                    return outcome;
                }
            }
        }
    }

    /// Pauses before the next try; an error when the engine ends and has waited long enough.
    async fn wait_for_store(&self, why: Arc<str>, patience: &mut Patience) -> Result<(), StoreError> {
        tracing::warn!("the store is away, the same is tried again in {:?}: {why}", patience.pause);
        self.shared.set_trouble(Some(why.clone()));
        if self.shared.closing.is_cancelled() {
            let since = *patience.closing_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= LAST_TRIES {
                return Err(StoreError::Unavailable(why));
            }
            sleep(PAUSES.0).await;
        } else {
            tokio::select! {
                () = self.shared.closing.cancelled() => {}
                () = sleep(patience.pause) => {}
            }
        }
        patience.pause = (patience.pause * 2).min(PAUSES.1);
        Ok(())
    }

    /// After a round that was not committed: loads anew what the store holds, or ends.
    pub(super) async fn start_over(&mut self, error: StoreError) -> Result<(), PodError> {
        match &error {
            StoreError::Full(why) => tracing::warn!("the store is full, new work is refused: {why}"),
            StoreError::Conflict(why) => {
                tracing::error!("the store refused a contradiction, its state is loaded anew: {why}");
            }
            StoreError::Unavailable(_) | StoreError::Fenced | StoreError::Gap { .. } | StoreError::Unusable(_) => {
                return Err(PodError::Store(error));
            }
        }
        // Links end, and their workers' next hellos tell what the new state does not know: ends are reported again.
        self.outboxes.clear();
        // A store that stays full, or refuses every round, is not asked in a busy loop.
        sleep(PAUSES.0).await;
        self.state = self.load().await?;
        if matches!(error, StoreError::Full(_)) {
            self.state.set_full(true);
        }
        if !matches!(self.phase, Phase::Running) {
            self.state.give_nothing_out();
        }
        self.shared.attempts_loaded(self.state.open_attempts());
        self.shared.topics.all_changed();
        Ok(())
    }

    /// Asks the store whether there is room, now and then.
    pub(super) async fn look_for_room(&mut self) {
        if self.last_look_for_room.elapsed() >= LOOK_FOR_ROOM {
            self.last_look_for_room = Instant::now();
            let full = !self.shared.store.has_room().await;
            self.state.set_full(full);
        }
    }

    /// Takes the lease anew, because batches are counted from 1 again, and loads.
    async fn load(&mut self) -> Result<State, PodError> {
        let mut patience = Patience::new();
        loop {
            let loaded = async {
                let lease = self.shared.store.acquire(self.shared.now().wall).await?;
                Ok((lease.epoch, self.shared.store.load().await?))
            };
            match loaded.await {
                Ok((epoch, mut snapshot)) => {
                    self.shared.go_on(&mut snapshot);
                    self.shared.set_trouble(None);
                    self.config.epoch = epoch;
                    return Ok(State::load(self.config.clone(), snapshot, self.shared.now()));
                }
                // Taking the lease may need space too.
                Err(StoreError::Unavailable(why) | StoreError::Full(why)) => {
                    self.wait_for_store(why, &mut patience).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

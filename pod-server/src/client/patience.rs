//! Outlasting a manager that is away: restarted, upgraded, or behind a network that is.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::error::{ClientError, Result};

/// The pauses between tries: they double from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Is told how it goes with a manager that does not answer.
pub trait Listener: fmt::Debug + Send + Sync {
    /// Another try failed. The manager has been away for so long, and is tried again for `limit` in all.
    fn away(&self, error: &ClientError, since: Duration, limit: Duration);
    /// It answers again.
    fn back(&self);
}

/// For how long a client tries again.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    pub(super) limit: Duration,
    pub(super) listener: Arc<dyn Listener>,
}

/// Whether a request may be sent again when its answer did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resend {
    /// Sent twice it does the same as sent once.
    Always,
    /// Only where it is known that it was not carried out.
    IfUnheard,
}

impl Resend {
    /// The error as it is to be taken: of a request that may not be sent again it is not passing any more, and says so.
    pub(super) fn judge(self, error: ClientError) -> ClientError {
        match error {
            ClientError::Unreachable { address, why, was_sent: true } if self == Self::IfUnheard => {
                ClientError::Unknown { address, why }
            }
            error => error,
        }
    }
}

/// The tries of one request, or of one stream that is taken up again where it broke off.
#[derive(Debug)]
pub struct Tries {
    patience: Option<Patience>,
    since: Option<Instant>,
    pauses: ExponentialBackoff,
    /// It failed before since the manager answered last.
    failed: bool,
    /// Whether somebody was told that it is away. One broken connection is no news: a proxy cuts quiet ones.
    told: bool,
}

impl Tries {
    pub(super) fn new(patience: Option<Patience>) -> Self {
        Self { patience, since: None, pauses: pauses(), failed: false, told: false }
    }

    /// The manager answered.
    pub fn answered(&mut self) {
        self.since = None;
        if std::mem::take(&mut self.told)
            && let Some(patience) = &self.patience
        {
            patience.listener.back();
        }
        (self.pauses, self.failed) = (pauses(), false);
    }

    /// Waits before the next try, or gives the error back when it will not pass or has lasted too long.
    pub async fn outlast(&mut self, error: ClientError) -> Result<()> {
        let Some(patience) = self.patience.as_ref().filter(|_| error.is_passing()) else { return Err(error) };
        let since = self.since.get_or_insert_with(Instant::now).elapsed();
        if since >= patience.limit {
            return Err(error);
        }
        if std::mem::replace(&mut self.failed, true) {
            patience.listener.away(&error, since, patience.limit);
            self.told = true;
        }
        let pause = self.pauses.next().unwrap_or(PAUSES.1);
        tokio::time::sleep(pause.min(patience.limit.saturating_sub(since))).await;
        Ok(())
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default().with_min_delay(PAUSES.0).with_max_delay(PAUSES.1).without_max_times().build()
}

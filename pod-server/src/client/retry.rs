//! Retries requests while the manager is unreachable: restarted, upgraded, or behind a network that is down.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::error::{ClientError, Result};

/// The delay between tries doubles from the minimum to the maximum.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(50);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(2);

/// Observes whether the manager is reachable.
pub trait ConnectionObserver: fmt::Debug + Send + Sync {
    /// Another try failed. The manager has been unreachable since `since` ago; tries go on until `limit`.
    fn on_unreachable(&self, error: &ClientError, since: Duration, limit: Duration);
    /// The manager answers again.
    fn on_reconnected(&self);
}

/// How long a client retries, and who observes it.
#[derive(Clone, Debug)]
pub(super) struct RetryPolicy {
    pub(super) limit: Duration,
    pub(super) observer: Arc<dyn ConnectionObserver>,
}

/// Whether a request may be sent again when no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resend {
    /// The request is idempotent.
    Always,
    /// Only if the manager certainly did not receive it.
    IfNotReceived,
}

impl Resend {
    /// The error to report: for a request that may not be repeated it is not transient any more, and says so.
    pub(super) fn judge(self, error: ClientError) -> ClientError {
        match error {
            ClientError::Unreachable { address, why, was_sent: true } if self == Self::IfNotReceived => {
                ClientError::Unknown { address, why }
            }
            error => error,
        }
    }
}

/// The retries of one request, or of one stream that resumes where it broke off.
#[derive(Debug)]
pub struct RetryState {
    policy: Option<RetryPolicy>,
    since: Option<Instant>,
    delays: ExponentialBackoff,
    /// Whether a try has failed since the last answer.
    failed: bool,
    /// Whether the observer knows. The first broken connection is not reported: a proxy cuts quiet ones.
    reported: bool,
}

impl RetryState {
    pub(super) fn new(policy: Option<RetryPolicy>) -> Self {
        Self { policy, since: None, delays: delays(), failed: false, reported: false }
    }

    /// The manager answered.
    pub fn answered(&mut self) {
        self.since = None;
        if std::mem::take(&mut self.reported)
            && let Some(policy) = &self.policy
        {
            policy.observer.on_reconnected();
        }
        (self.delays, self.failed) = (delays(), false);
    }

    /// Waits before the next try, or returns the error if it is permanent or has lasted longer than the limit.
    pub async fn wait_or_fail(&mut self, error: ClientError) -> Result<()> {
        let Some(policy) = self.policy.as_ref().filter(|_| error.is_passing()) else { return Err(error) };
        let since = self.since.get_or_insert_with(Instant::now).elapsed();
        if since >= policy.limit {
            return Err(error);
        }
        if std::mem::replace(&mut self.failed, true) {
            policy.observer.on_unreachable(&error, since, policy.limit);
            self.reported = true;
        }
        let delay = self.delays.next().unwrap_or(MAX_RETRY_DELAY);
        tokio::time::sleep(delay.min(policy.limit.saturating_sub(since))).await;
        Ok(())
    }
}

fn delays() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(MIN_RETRY_DELAY)
        .with_max_delay(MAX_RETRY_DELAY)
        .without_max_times()
        .build()
}

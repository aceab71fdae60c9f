//! Outlasting a manager that is away: restarted, upgraded, or behind a network that is.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use pod_server::client::{Client, ClientError};

use super::console;

/// For how long a command that waits for something goes on trying.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// Before the second try; doubled up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Silence for this long before anyone is told: a restart is not worth a line.
const QUIET: Duration = Duration::from_secs(3);

/// Counts failed tries in a row.
#[derive(Debug)]
pub(crate) struct Patience {
    since: Option<Instant>,
    pause: Duration,
    told: bool,
}

impl Patience {
    pub(crate) const fn new() -> Self {
        Self { since: None, pause: FIRST_PAUSE, told: false }
    }

    /// The manager answered.
    pub(crate) fn renew(&mut self) {
        if self.told {
            console::note("the manager is back");
        }
        *self = Self::new();
    }

    /// Waits before the next try, or gives the error back when it will not pass or has lasted too long.
    pub(crate) async fn outlast(&mut self, error: ClientError) -> Result<(), ClientError> {
        if !error.is_passing() {
            return Err(error);
        }
        let away = self.since.get_or_insert_with(Instant::now).elapsed();
        if away > LIMIT {
            return Err(error);
        }
        if away > QUIET && !self.told {
            self.told = true;
            console::note(format!("{error}; trying again for {} minutes", LIMIT.as_secs() / 60));
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Sends a request until it is answered. It must be one that may be sent twice.
pub(crate) async fn persist<T, F>(client: &Client, request: impl Fn(Client) -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut patience = Patience::new();
    loop {
        match request(client.clone()).await {
            Ok(answer) => {
                patience.renew();
                return Ok(answer);
            }
            Err(error) => patience.outlast(error).await?,
        }
    }
}

//! How long commands retry while the manager is unreachable, and what they report meanwhile. The client itself does the
//! retries.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pod_server::client::{Client, ClientError, ConnectionObserver};

use super::console::{self, Spinner};

/// How long a query retries: as long as the restart of a manager takes.
pub(crate) const QUERY_RETRY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a command that waits for something retries.
const WAIT_RETRY_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// An outage is reported after this: a restart is not worth a line.
const NOTICE_DELAY: Duration = Duration::from_secs(3);
/// The same while one run takes the manager over from another: it waits for the other's orderly end, and starts anew.
const TAKEOVER_NOTICE_DELAY: Duration = Duration::from_secs(15);

/// A client for a command that asks once.
pub(crate) fn for_query(client: &Client) -> Client {
    client.with_retries(QUERY_RETRY_TIMEOUT, Arc::new(SpinnerReporter::default()))
}

/// A client for a command that waits for something.
pub(crate) fn for_wait(client: &Client) -> Client {
    client.with_retries(
        WAIT_RETRY_TIMEOUT,
        Arc::new(NoticeReporter { notice_delay: NOTICE_DELAY, is_reported: Mutex::default() }),
    )
}

/// A client for a run on a data directory, which becomes the manager itself when there is no other.
pub(crate) fn for_takeover(client: &Client) -> Client {
    client.with_retries(
        WAIT_RETRY_TIMEOUT,
        Arc::new(NoticeReporter { notice_delay: TAKEOVER_NOTICE_DELAY, is_reported: Mutex::default() }),
    )
}

/// Reports a lasting outage in one line, and its end in another.
#[derive(Debug)]
struct NoticeReporter {
    notice_delay: Duration,
    is_reported: Mutex<bool>,
}

impl ConnectionObserver for NoticeReporter {
    fn on_unreachable(&self, error: &ClientError, since: Duration, limit: Duration) {
        let mut is_reported = self.is_reported.lock().unwrap_or_else(PoisonError::into_inner);
        if since > self.notice_delay && !*is_reported {
            *is_reported = true;
            console::note(format!("{error}; trying again for {} minutes", limit.as_secs() / 60));
        }
    }

    fn on_reconnected(&self) {
        if std::mem::take(&mut *self.is_reported.lock().unwrap_or_else(PoisonError::into_inner)) {
            console::note("the manager is back");
        }
    }
}

/// Shows an outage as a spinner, on a terminal only: the outcome of the command is enough elsewhere.
#[derive(Debug, Default)]
struct SpinnerReporter {
    shown: Mutex<Option<Spinner>>,
}

impl ConnectionObserver for SpinnerReporter {
    fn on_unreachable(&self, error: &ClientError, _since: Duration, limit: Duration) {
        if console::is_watched() {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            let what = format!("{error}; trying again for {} seconds", limit.as_secs());
            shown.get_or_insert_with(console::spinner).say(what);
        }
    }

    fn on_reconnected(&self) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

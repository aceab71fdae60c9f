//! Outlasting a manager that is away: restarted, upgraded, or behind a network that is. The client does it, for every
//! command alike; here is for how long, and what a person is told meanwhile.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pod_server::client::{Client, ClientError, Listener};

use super::console::{self, Spinner};

/// For how long a command that asks something goes on trying: as long as a manager takes that is restarted.
pub(crate) const ASKING: Duration = Duration::from_secs(10);
/// For how long a command that waits for something goes on trying.
const WAITING: Duration = Duration::from_secs(15 * 60);
/// Silence for this long before anyone is told: a restart is not worth a line.
const QUIET: Duration = Duration::from_secs(3);
/// The same where the next of several runs takes the place of the one that was the manager: it waits for that one's
/// orderly end, and starts anew.
const QUIET_BETWEEN_HOSTS: Duration = Duration::from_secs(15);

/// A client for a command that asks something and is done.
pub(crate) fn asking(client: &Client) -> Client {
    client.patient(ASKING, Arc::new(Quiet::default()))
}

/// A client for a command that waits for something.
pub(crate) fn waiting(client: &Client) -> Client {
    client.patient(WAITING, Arc::new(Told { quiet: QUIET, is_told: Mutex::default() }))
}

/// A client for a run on a data directory, which becomes the manager itself when there is no other.
pub(crate) fn taking_over(client: &Client) -> Client {
    client.patient(WAITING, Arc::new(Told { quiet: QUIET_BETWEEN_HOSTS, is_told: Mutex::default() }))
}

/// Says so in a line when it lasts, and again when it is over.
#[derive(Debug)]
struct Told {
    quiet: Duration,
    is_told: Mutex<bool>,
}

impl Listener for Told {
    fn away(&self, error: &ClientError, since: Duration, limit: Duration) {
        let mut is_told = self.is_told.lock().unwrap_or_else(PoisonError::into_inner);
        if since > self.quiet && !*is_told {
            *is_told = true;
            console::note(format!("{error}; trying again for {} minutes", limit.as_secs() / 60));
        }
    }

    fn back(&self) {
        if std::mem::take(&mut *self.is_told.lock().unwrap_or_else(PoisonError::into_inner)) {
            console::note("the manager is back");
        }
    }
}

/// Shows it on a terminal only: the end of the command tells all that there is to tell.
#[derive(Debug, Default)]
struct Quiet {
    shown: Mutex<Option<Spinner>>,
}

impl Listener for Quiet {
    fn away(&self, error: &ClientError, _since: Duration, limit: Duration) {
        if console::is_watched() {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            let what = format!("{error}; trying again for {} seconds", limit.as_secs());
            shown.get_or_insert_with(console::spinner).say(what);
        }
    }

    fn back(&self) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

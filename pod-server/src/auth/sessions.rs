//! Sessions of browsers: a browser shows the token once and gets a random cookie for it. Only the hash of the cookie
//! is kept, in a file of the data directory: a restart of the manager signs nobody out.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::http::{HeaderMap, HeaderValue};
use pod_backends::private;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The name of the file in the data directory.
const FILE_NAME: &str = "sessions";
/// How long an unused session lasts.
const IDLE_TTL: Duration = Duration::from_secs(12 * 60 * 60);
/// The use of a session is written down at most this often.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// A new session beyond this replaces the one that ends first.
const MAX_SESSIONS: usize = 1000;

/// The hash of a token or a cookie.
pub(super) type Hash = [u8; 32];

/// The sessions of a manager.
#[derive(Debug)]
pub struct Sessions {
    /// The name of the cookie. Cookies know no ports: another manager of this host has another one.
    cookie: String,
    /// Where they are kept; nowhere where there is no data directory.
    file: Option<PathBuf>,
    open: Mutex<Vec<Session>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    id: Hash,
    /// The token that it was opened with: another one has other sessions.
    token: Hash,
    /// When it ends, in seconds since 1970.
    ends: u64,
}

impl Sessions {
    /// Those of a store, by the first digits of its id, kept nowhere.
    #[must_use]
    pub fn new(digits: &str) -> Self {
        Self { cookie: format!("pod_session_{digits}"), file: None, open: Mutex::default() }
    }

    /// Those that were kept in this data directory, which keeps them on.
    #[must_use]
    pub fn kept_in(self, data_dir: &Path) -> Self {
        let file = data_dir.join(FILE_NAME);
        let mut open: Vec<Session> = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "the sessions of before are not understood; everybody has to sign in again");
                Vec::new()
            }),
            Err(_) => Vec::new(),
        };
        // Where the clock was ahead when they were opened, none lasts the longer for it.
        let latest = now() + IDLE_TTL.as_secs();
        open.iter_mut().for_each(|session| session.ends = session.ends.min(latest));
        Self { cookie: self.cookie, file: Some(file), open: Mutex::new(open) }
    }

    /// The name of the cookie.
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        &self.cookie
    }

    /// The value of the cookie that a request shows.
    pub(super) fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        pod_web::cookie(headers, &self.cookie)
    }

    /// Opens one for who has shown this token; what sets the cookie.
    pub(super) fn open(&self, token: Hash, secure: bool) -> HeaderValue {
        let value = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        self.change(|open, now| {
            if open.len() >= MAX_SESSIONS
                && let Some(oldest) = (0..open.len()).min_by_key(|&at| open[at].ends)
            {
                open.swap_remove(oldest);
            }
            open.push(Session { id: hash(&value), token, ends: now + IDLE_TTL.as_secs() });
            true
        });
        self.set(&value, secure)
    }

    /// Whether the cookie of a request is that of a session of this token.
    pub(super) fn is_open(&self, value: &str, token: Hash) -> bool {
        let (id, now) = (hash(value), now());
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().any(|session| is(&session.id, &id) && is(&session.token, &token) && session.ends > now)
    }

    /// That a session is used: what sets its cookie anew, once in a while.
    pub(super) fn renewed(&self, value: &str, secure: bool) -> Option<HeaderValue> {
        let id = hash(value);
        let mut is_renewed = false;
        self.change(|open, now| {
            let ends = now + IDLE_TTL.as_secs();
            let used = open.iter_mut().find(|session| is(&session.id, &id));
            if let Some(session) = used.filter(|session| session.ends + MIN_RENEWAL_INTERVAL.as_secs() <= ends) {
                session.ends = ends;
                is_renewed = true;
            }
            is_renewed
        });
        is_renewed.then(|| self.set(value, secure))
    }

    /// Ends one; what makes the browser forget its cookie.
    pub(super) fn end(&self, value: Option<&str>, secure: bool) -> HeaderValue {
        if let Some(id) = value.map(hash) {
            self.change(|open, _| {
                let before = open.len();
                open.retain(|session| !is(&session.id, &id));
                open.len() < before
            });
        }
        pod_web::set_cookie(&self.cookie, "", 0, secure)
    }

    fn set(&self, value: &str, secure: bool) -> HeaderValue {
        pod_web::set_cookie(&self.cookie, value, IDLE_TTL.as_secs(), secure)
    }

    /// Changes them, and writes them down where that says so.
    fn change(&self, change: impl FnOnce(&mut Vec<Session>, u64) -> bool) {
        let now = now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let before = open.len();
        open.retain(|session| session.ends > now);
        let ended = open.len() < before;
        if (change(&mut open, now) || ended)
            && let Some(file) = &self.file
            && let Err(error) = write(file, &open)
        {
            tracing::warn!(%error, "the sessions could not be written down; a restart will end them");
        }
    }
}

/// Writes the file whole or not at all. It is a few kilobytes and is not synced: no request waits for the disk.
fn write(file: &Path, open: &[Session]) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    let text = serde_json::to_vec(open)?;
    private::file().create(true).truncate(true).write(true).open(&beside)?.write_all(&text)?;
    std::fs::rename(&beside, file)
}

fn is(one: &Hash, other: &Hash) -> bool {
    one.ct_eq(other).into()
}

/// Seconds since 1970, read once at the start and counted on by a monotonic clock: a system clock that is wrong for a
/// moment signs nobody out.
fn now() -> u64 {
    static BEGAN: LazyLock<(u64, i64)> = LazyLock::new(|| {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        (wall.as_secs(), up())
    });
    let (wall, began) = *BEGAN;
    wall.saturating_add((up() - began).unsigned_abs())
}

/// How many seconds the machine has been up.
fn up() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec
}

pub(super) fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(set: &HeaderValue) -> String {
        let (_, value) = set.to_str().unwrap().split_once('=').unwrap();
        value.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_session_ends_by_itself_and_with_its_token_and_is_renewed_while_it_is_used() {
        let sessions = Sessions::new("0a1b2c3d");
        let set = sessions.open(hash("token"), false);
        assert!(set.to_str().unwrap().starts_with("pod_session_0a1b2c3d="), "{set:?}");
        let cookie = value(&set);
        assert!(sessions.is_open(&cookie, hash("token")));
        assert!(!sessions.is_open(&cookie, hash("another token")));
        assert!(!sessions.is_open("", hash("token")));
        assert_eq!(sessions.renewed(&cookie, false), None, "it was just opened");

        let spent = |seconds: u64| sessions.open.lock().unwrap()[0].ends -= seconds;
        spent(MIN_RENEWAL_INTERVAL.as_secs());
        let again = sessions.renewed(&cookie, true).expect("it is used");
        assert_eq!(value(&again), cookie);
        assert!(again.to_str().unwrap().contains("; Secure"), "{again:?}");
        spent(IDLE_TTL.as_secs() + 1);
        assert!(!sessions.is_open(&cookie, hash("token")), "nobody used it for long");
        assert_eq!(sessions.renewed(&cookie, false), None);
    }

    #[test]
    fn sessions_outlast_a_restart_and_their_file_holds_no_cookie() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let start = || Sessions::new("x").kept_in(directory.path());
        let before = start();
        let (stays, goes) = (value(&before.open(hash("t"), false)), value(&before.open(hash("t"), false)));
        before.end(Some(&goes), false);
        let file = directory.path().join(FILE_NAME);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&stays), "{text}");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let after = start();
        assert!(after.is_open(&stays, hash("t")) && !after.is_open(&goes, hash("t")));
        std::fs::write(&file, "not JSON").unwrap();
        assert!(!start().is_open(&stays, hash("t")));
    }

    #[test]
    fn there_are_never_too_many() {
        let sessions = Sessions::new("x");
        let first = value(&sessions.open(hash("t"), false));
        sessions.open.lock().unwrap()[0].ends -= 1;
        let later: Vec<String> = (0..MAX_SESSIONS).map(|_| value(&sessions.open(hash("t"), false))).collect();
        assert!(!sessions.is_open(&first, hash("t")));
        assert!(later.iter().all(|cookie| sessions.is_open(cookie, hash("t"))));
    }
}

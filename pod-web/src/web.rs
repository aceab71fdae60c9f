//! The state that all pages share.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use pod_core::{Limits, Pod};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use crate::{base_path::BasePath, bulk_jobs::BulkJobs, cookies::cookie, live::LiveUpdates, origin, output::Indexes};

/// How many bytes the token of a form has.
const TOKEN_LEN: usize = 16;

/// The state of the dashboard.
#[derive(Debug)]
pub struct Web {
    /// The handle for everything that the manager does.
    pub pod: Pod,
    /// The limits that the pod was started with.
    pub limits: Limits,
    /// Whether the manager asks for a token, so that one can sign out.
    pub signs_in: bool,
    /// Cancelled at shutdown: followers are disconnected.
    pub shutdown: CancellationToken,
    /// What the tokens of forms are made of, so that no page of another site can make one.
    form_secret: [u8; 32],
    /// The cookie by which a browser is known: the forms of one session are not those of another.
    session_cookie: Option<String>,
    /// The cookie of the message that the next page shows. Cookies know no ports: it is named after the store.
    pub(crate) flash_cookie: Arc<str>,
    /// The cookie of the theme that was chosen.
    pub(crate) theme_cookie: Arc<str>,
    /// What a proxy puts before every path of the dashboard.
    pub(crate) base_path: BasePath,
    /// What tells open pages that something changed.
    pub(crate) live: LiveUpdates,
    /// What is done to many executions at once.
    pub(crate) jobs: BulkJobs,
    /// Which line of an output lies where.
    pub(crate) indexes: Indexes,
}

impl Web {
    /// The dashboard of a pod.
    ///
    /// Forms carry a token that is made of a secret of this process, so a page that is open while the application is
    /// started anew has to be opened anew; [`Web::form_secret`] takes one that stays.
    #[must_use]
    pub fn new(pod: Pod, limits: Limits, signs_in: bool, shutdown: CancellationToken) -> Self {
        let live = LiveUpdates::of(pod.clone(), shutdown.clone());
        let digits = digits(&pod);
        let flash_cookie = format!("pod_flash_{digits}").into();
        let theme_cookie = format!("pod_theme_{digits}").into();
        let random = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()];
        let form_secret = Sha256::digest(random.as_flattened()).into();
        let (jobs, indexes) = (BulkJobs::default(), Indexes::default());
        Self {
            pod,
            limits,
            signs_in,
            shutdown,
            form_secret,
            session_cookie: None,
            flash_cookie,
            theme_cookie,
            base_path: BasePath::default(),
            live,
            jobs,
            indexes,
        }
    }

    /// Says that a proxy puts this before every path. [`BasePath::below`] then makes it so.
    #[must_use]
    pub fn base_path(mut self, base_path: BasePath) -> Self {
        self.base_path = base_path;
        self
    }

    /// Makes the tokens of forms of this secret, which is random and kept.
    #[must_use]
    pub fn form_secret(mut self, secret: &[u8]) -> Self {
        self.form_secret = Sha256::digest(secret).into();
        self
    }

    /// Binds the tokens of forms to the value of this cookie: those of one session are not taken in another.
    #[must_use]
    pub fn session_cookie(mut self, name: impl Into<String>) -> Self {
        self.session_cookie = Some(name.into());
        self
    }

    /// What a form carries that is shown to who sent these headers. It is another text each time, since pages are
    /// compressed: how long one becomes must tell nobody what is in it.
    pub(crate) fn form_token(&self, headers: &HeaderMap) -> String {
        let mask = Sha256::digest(uuid::Uuid::new_v4().as_bytes());
        let mask = mask.first_chunk::<TOKEN_LEN>().copied().unwrap_or_default();
        let masked = self.token_of(headers).into_iter().zip(mask).map(|(byte, mask)| byte ^ mask);
        mask.into_iter().chain(masked).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether this is the token of a form that was shown to who sent these headers.
    #[must_use]
    pub fn made_form(&self, headers: &HeaderMap, token: &str) -> bool {
        let digits = |at: usize| token.get(2 * at..2 * at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let mut shown = [0; TOKEN_LEN];
        for (at, byte) in shown.iter_mut().enumerate() {
            let (Some(mask), Some(masked)) = (digits(at), digits(at + TOKEN_LEN)) else { return false };
            *byte = mask ^ masked;
        }
        token.len() == 4 * TOKEN_LEN && bool::from(shown.ct_eq(&self.token_of(headers)))
    }

    /// What tells the forms of one session from those of others.
    fn token_of(&self, headers: &HeaderMap) -> [u8; TOKEN_LEN] {
        let session = self.session_cookie.as_deref().and_then(|name| cookie(headers, name));
        let mut hash = Sha256::new_with_prefix(self.form_secret);
        hash.update(session.unwrap_or_default());
        hash.finalize().first_chunk().copied().unwrap_or_default()
    }

    /// The address of the manager, as who sent these headers sees it.
    pub(crate) fn address(&self, headers: &HeaderMap) -> String {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8080");
        let scheme = if origin::is_https(headers) { "https" } else { "http" };
        format!("{scheme}://{host}{}", self.base_path)
    }

    /// The theme that was chosen; nothing where the system decides.
    pub(crate) fn theme(&self, headers: &HeaderMap) -> Option<&'static str> {
        match cookie(headers, &self.theme_cookie) {
            Some("dark") => Some("dark"),
            Some("light") => Some("light"),
            _ => None,
        }
    }
}

/// The first digits of the identity of a pod's store, which name its cookies.
#[must_use]
pub fn digits(pod: &Pod) -> String {
    pod.store_id().to_string().chars().filter(char::is_ascii_hexdigit).take(8).collect()
}

//! Tokens: what a request has to show when the manager has one.
//!
//! Only hashes are kept and compared, in constant time. A browser shows the cookie of a session instead, so that the
//! token itself is not stored by it.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderValue, header};
use subtle::ConstantTimeEq;

use crate::config::secret::Secret;

pub(crate) mod form_secret;
pub(crate) mod login;
mod sessions;
mod throttle;

pub use sessions::Sessions;
use sessions::{Hash, hash};
use throttle::LoginThrottle;

/// What the manager asks for.
#[derive(Debug)]
pub struct Access {
    token: Option<Hash>,
    worker_token: Option<Hash>,
    sessions: Sessions,
    throttle: LoginThrottle,
}

/// The credentials of a request, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// No token is asked for.
    NotNeeded,
    /// The token, which a page of another site cannot know.
    Token,
    /// The cookie of a session, which a browser sends by itself.
    Cookie,
    /// The cookie of a session that has ended.
    Ended,
    /// Nothing, where something is needed.
    Nothing,
    /// A token that does not fit.
    Wrong,
}

/// The outcome of a sign-in with a typed token.
#[derive(Debug)]
pub(crate) enum SignIn {
    /// It is right: this sets the cookie.
    Done(HeaderValue),
    Wrong,
    /// Too many wrong tokens came from this address; the token was not checked.
    Throttled(Duration),
}

impl Access {
    /// Asks for these tokens; workers that dial in may show either.
    #[must_use]
    pub fn new(token: Option<&Secret>, worker_token: Option<&Secret>, sessions: Sessions) -> Self {
        let hashed = |secret: &Secret| hash(secret.expose());
        Self {
            token: token.map(hashed),
            worker_token: worker_token.map(hashed),
            sessions,
            throttle: LoginThrottle::default(),
        }
    }

    /// Whether a token is asked for.
    #[must_use]
    pub const fn requires_token(&self) -> bool {
        self.token.is_some()
    }

    /// What a request shows to use the manager.
    #[must_use]
    pub fn credentials(&self, headers: &HeaderMap) -> Credentials {
        let Some(expected) = self.token else { return Credentials::NotNeeded };
        match (bearer(headers), self.sessions.cookie(headers)) {
            (Some(token), _) if is(expected, token) => Credentials::Token,
            (Some(_), _) => Credentials::Wrong,
            (None, Some(value)) if self.sessions.is_open(value, expected) => Credentials::Cookie,
            (None, Some(_)) => Credentials::Ended,
            (None, None) => Credentials::Nothing,
        }
    }

    /// What a worker shows that dials in. A cookie is nothing here.
    #[must_use]
    pub fn worker_credentials(&self, headers: &HeaderMap) -> Credentials {
        let mut expected = self.worker_token.iter().chain(&self.token).peekable();
        if expected.peek().is_none() {
            return Credentials::NotNeeded;
        }
        match bearer(headers) {
            Some(token) if expected.any(|expected| is(*expected, token)) => Credentials::Token,
            Some(_) => Credentials::Wrong,
            None => Credentials::Nothing,
        }
    }

    /// That something wrong came from there: how long to wait, where too many wrong tokens did. What holds no token is no
    /// guess. The right one is never kept waiting, for it is looked at first.
    pub(crate) fn record_wrong_token(&self, from: IpAddr, headers: &HeaderMap) -> Option<Duration> {
        bearer(headers)
            .filter(|token| !token.is_empty())
            .and_then(|_| self.throttle.record_failure(from, Instant::now()))
    }

    /// Opens a session for a browser whose user has typed the token.
    pub(crate) fn sign_in(&self, token: &str, from: IpAddr, secure: bool) -> SignIn {
        let now = Instant::now();
        if let Some(wait) = self.throttle.retry_after(from, now) {
            return SignIn::Throttled(wait);
        }
        match self.token.filter(|expected| is(*expected, token)) {
            Some(expected) => SignIn::Done(self.sessions.open(expected, secure)),
            None => self.throttle.record_failure(from, now).map_or(SignIn::Wrong, SignIn::Throttled),
        }
    }

    /// That a session was used: what sets its cookie anew, where it is time for that.
    pub(crate) fn renewed(&self, headers: &HeaderMap, secure: bool) -> Option<HeaderValue> {
        self.sessions.renewed(self.sessions.cookie(headers)?, secure)
    }

    /// Ends the session whose cookie is shown: what makes the browser forget it.
    pub(crate) fn sign_out(&self, headers: &HeaderMap, secure: bool) -> HeaderValue {
        self.sessions.end(self.sessions.cookie(headers), secure)
    }
}

fn is(expected: Hash, shown: &str) -> bool {
    expected.ct_eq(&hash(shown)).into()
}

/// The token that a request shows as Bearer; empty where it shows another kind.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    Some(if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: axum::http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn access(token: Option<&str>, worker_token: Option<&str>) -> Access {
        let secret = |text: &str| Secret::new(text);
        Access::new(token.map(secret).as_ref(), worker_token.map(secret).as_ref(), Sessions::new("x"))
    }

    fn signed_in(access: &Access, token: &str) -> String {
        let SignIn::Done(cookie) = access.sign_in(token, IpAddr::from([192, 0, 2, 1]), false) else {
            panic!("it is the token");
        };
        cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_token_is_shown_as_bearer_or_by_the_cookie_of_a_session() {
        let access = access(Some("s3cret"), None);
        let cookie = signed_in(&access, "s3cret");
        assert!(!cookie.contains("s3cret"));
        for (shown, expected) in [
            (vec![], Credentials::Nothing),
            (vec![("authorization", "Bearer s3cret")], Credentials::Token),
            (vec![("authorization", "bearer s3cret")], Credentials::Token),
            (vec![("authorization", "Bearer s3cre")], Credentials::Wrong),
            (vec![("authorization", "Bearer ")], Credentials::Wrong),
            (vec![("authorization", "Basic s3cret")], Credentials::Wrong),
            (vec![("authorization", "s3cret")], Credentials::Wrong),
            (vec![("cookie", cookie.as_str())], Credentials::Cookie),
            (vec![("cookie", "a=b; pod_session_x=s3cret")], Credentials::Ended),
            (vec![("cookie", "other=1")], Credentials::Nothing),
            (vec![("cookie", cookie.as_str()), ("authorization", "Bearer no")], Credentials::Wrong),
        ] {
            assert_eq!(access.credentials(&headers(&shown)), expected, "{shown:?}");
        }
        access.sign_out(&headers(&[("cookie", &cookie)]), false);
        assert_eq!(access.credentials(&headers(&[("cookie", &cookie)])), Credentials::Ended);
    }

    #[test]
    fn the_form_is_slowed_where_the_header_is_not() {
        let access = access(Some("s3cret"), None);
        let from = IpAddr::from([192, 0, 2, 1]);
        let guess = headers(&[("authorization", "Bearer guess")]);
        for _ in 0..5 {
            assert!(matches!(access.sign_in("wrong", from, false), SignIn::Wrong));
            assert_eq!(access.record_wrong_token(from, &guess), None);
            assert_eq!(access.record_wrong_token(from, &headers(&[("authorization", "Basic eDp4")])), None);
        }
        assert!(access.record_wrong_token(from, &guess).is_some(), "the header and the form count together");
        assert!(matches!(access.sign_in("s3cret", from, false), SignIn::Throttled(_)));
        assert_eq!(access.credentials(&headers(&[("authorization", "Bearer s3cret")])), Credentials::Token);
        assert!(matches!(access.sign_in("s3cret", IpAddr::from([192, 0, 2, 2]), false), SignIn::Done(_)));
    }

    #[test]
    fn workers_show_either_token_but_no_cookie() {
        let both = access(Some("s3cret"), Some("w0rker"));
        for (token, expected) in
            [("s3cret", Credentials::Token), ("w0rker", Credentials::Token), ("x", Credentials::Wrong)]
        {
            let shown = headers(&[("authorization", &format!("Bearer {token}"))]);
            assert_eq!(both.worker_credentials(&shown), expected, "{token}");
        }
        assert_eq!(both.credentials(&headers(&[("authorization", "Bearer w0rker")])), Credentials::Wrong);
        let cookie = signed_in(&both, "s3cret");
        assert_eq!(both.worker_credentials(&headers(&[("cookie", &cookie)])), Credentials::Nothing);
        let only_worker = access(None, Some("w0rker"));
        assert_eq!(only_worker.credentials(&headers(&[])), Credentials::NotNeeded);
        assert_eq!(only_worker.worker_credentials(&headers(&[])), Credentials::Nothing);
    }
}

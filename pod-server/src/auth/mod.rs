//! Tokens: what a request has to show when the manager has one.
//!
//! Only hashes are kept and compared, in constant time. A browser shows a cookie instead, which is derived from the
//! token, so that the token itself is not stored by it.

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Secret;

pub(crate) mod login;

/// The name of the browser's cookie.
const COOKIE: &str = "pod_session";

/// What the manager asks for.
#[derive(Clone, Debug, Default)]
pub struct Access {
    token: Option<Expected>,
    worker_token: Option<Expected>,
}

#[derive(Clone, Debug)]
struct Expected {
    token: [u8; 32],
    cookie: [u8; 32],
    cookie_value: String,
}

/// What a request showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// No token is asked for.
    NotNeeded,
    /// The token, which a page of another site cannot know.
    Token,
    /// The cookie, which a browser sends by itself.
    Cookie,
    /// Nothing, where something is needed.
    Nothing,
    /// Something else than what is needed.
    Wrong,
}

impl Access {
    /// Asks for these tokens; workers that dial in may show either.
    #[must_use]
    pub fn new(token: Option<&Secret>, worker_token: Option<&Secret>) -> Self {
        Self { token: token.map(Expected::of), worker_token: worker_token.map(Expected::of) }
    }

    /// Whether a token is asked for.
    #[must_use]
    pub const fn asks(&self) -> bool {
        self.token.is_some()
    }

    /// What a request shows to use the manager.
    #[must_use]
    pub fn shown(&self, headers: &HeaderMap) -> Shown {
        let Some(expected) = &self.token else { return Shown::NotNeeded };
        match (bearer(headers), pod_web::cookie(headers, COOKIE)) {
            (Some(token), _) if expected.is_token(token) => Shown::Token,
            (Some(_), _) => Shown::Wrong,
            (None, Some(value)) if expected.is_cookie(value) => Shown::Cookie,
            (None, Some(_)) => Shown::Wrong,
            (None, None) => Shown::Nothing,
        }
    }

    /// What a worker shows that dials in. A cookie is nothing here.
    #[must_use]
    pub fn shown_by_worker(&self, headers: &HeaderMap) -> Shown {
        let mut expected = self.worker_token.iter().chain(&self.token).peekable();
        if expected.peek().is_none() {
            return Shown::NotNeeded;
        }
        match bearer(headers) {
            Some(token) if expected.any(|expected| expected.is_token(token)) => Shown::Token,
            Some(_) => Shown::Wrong,
            None => Shown::Nothing,
        }
    }

    /// The cookie for a browser whose user has typed the token.
    pub(crate) fn cookie_for(&self, token: &str) -> Option<HeaderValue> {
        let expected = self.token.as_ref().filter(|expected| expected.is_token(token))?;
        let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", expected.cookie_value);
        HeaderValue::from_str(&cookie).ok()
    }
}

/// What makes a browser forget its cookie.
const FORGET: HeaderValue = HeaderValue::from_static("pod_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");

impl Expected {
    fn of(secret: &Secret) -> Self {
        let mut seed = b"pod browser session\0".to_vec();
        seed.extend_from_slice(secret.expose().as_bytes());
        let cookie_value: String = Sha256::digest(&seed).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { token: hash(secret.expose()), cookie: hash(&cookie_value), cookie_value }
    }

    fn is_token(&self, shown: &str) -> bool {
        self.token.ct_eq(&hash(shown)).into()
    }

    fn is_cookie(&self, shown: &str) -> bool {
        self.cookie.ct_eq(&hash(shown)).into()
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
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

    #[test]
    fn a_token_is_shown_as_bearer_or_by_its_cookie() {
        let access = Access::new(Some(&Secret::new("s3cret")), None);
        let cookie = access.cookie_for("s3cret").unwrap();
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(!cookie.contains("s3cret"));
        for (shown, expected) in [
            (vec![], Shown::Nothing),
            (vec![("authorization", "Bearer s3cret")], Shown::Token),
            (vec![("authorization", "bearer s3cret")], Shown::Token),
            (vec![("authorization", "Bearer s3cre")], Shown::Wrong),
            (vec![("authorization", "Bearer ")], Shown::Wrong),
            (vec![("authorization", "Basic s3cret")], Shown::Wrong),
            (vec![("authorization", "s3cret")], Shown::Wrong),
            (vec![("cookie", cookie.as_str())], Shown::Cookie),
            (vec![("cookie", "a=b; pod_session=s3cret")], Shown::Wrong),
            (vec![("cookie", "other=1")], Shown::Nothing),
            (vec![("cookie", cookie.as_str()), ("authorization", "Bearer no")], Shown::Wrong),
        ] {
            assert_eq!(access.shown(&headers(&shown)), expected, "{shown:?}");
        }
        assert!(access.cookie_for("wrong").is_none());
        assert_eq!(Access::default().shown(&headers(&[])), Shown::NotNeeded);
    }

    #[test]
    fn workers_show_either_token_but_no_cookie() {
        let access = Access::new(Some(&Secret::new("s3cret")), Some(&Secret::new("w0rker")));
        for (token, expected) in [("s3cret", Shown::Token), ("w0rker", Shown::Token), ("x", Shown::Wrong)] {
            let shown = headers(&[("authorization", &format!("Bearer {token}"))]);
            assert_eq!(access.shown_by_worker(&shown), expected, "{token}");
        }
        assert_eq!(access.shown(&headers(&[("authorization", "Bearer w0rker")])), Shown::Wrong);
        let cookie = access.cookie_for("s3cret").unwrap();
        assert_eq!(access.shown_by_worker(&headers(&[("cookie", cookie.to_str().unwrap())])), Shown::Nothing);
        let only_worker = Access::new(None, Some(&Secret::new("w0rker")));
        assert_eq!(only_worker.shown(&headers(&[])), Shown::NotNeeded);
        assert_eq!(only_worker.shown_by_worker(&headers(&[])), Shown::Nothing);
    }
}

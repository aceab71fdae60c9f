//! Fuzz entry points for the parsers of untrusted input. Each function takes any bytes, and panics where a
//! parser breaks a promise.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::{action::params::Params, api, auth, client::Address, config, guard::Hosts};

/// Every JSON body of `/api/v1`.
pub fn bodies(data: &[u8]) {
    api::fuzz::bodies(data);
}

/// Every query: of `/api/v1`, and of the action API, with its form.
pub fn queries(data: &[u8]) {
    api::fuzz::queries(data);
    let (query, form) = data.split_at(data.len() / 2);
    if let Ok(params) = Params::parse(query, form) {
        for name in ["action", "name", "input", "executionId"] {
            assert!(params.get(name).is_none_or(|value| value.len() <= data.len()));
        }
    }
    let _ = str::from_utf8(data).map(crate::action::changes);
}

/// What a request shows to be let in.
pub fn cookies(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, value.clone());
    headers.insert(header::ACCEPT, value);
    assert!(auth::bearer(&headers).is_some_and(|token| token.trim() == token));
    let _ = auth::login::wants_page(&headers);
}

/// Headers, names of hosts, addresses, settings: whatever is a list or a number with a unit.
pub fn lists(data: &[u8]) {
    api::fuzz::headers(data);
    let Ok(text) = str::from_utf8(data) else { return };
    let hosts = Hosts::new(&[], "127.0.0.1:1", &[]);
    if hosts.answers(text) {
        let name = text.to_ascii_lowercase();
        assert!(name.contains("localhost") || name.contains("127") || name.contains("::"), "{text:?} is answered");
    }
    let _ = text.parse::<Address>();
    config::fuzz(text);
}

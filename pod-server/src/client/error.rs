//! The errors of a client, one sentence each that says what to do.

use serde::Deserialize;

use super::address::Address;

/// The result of a request.
pub(super) type Result<T> = std::result::Result<T, ClientError>;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No manager could be reached, or it went away in the middle. Trying again may help.
    #[error(
        "no manager answers at {address} ({why}); start one with `pod serve`, or name another one with --server or the \
         environment variable POD"
    )]
    Unreachable {
        /// Where it should have been.
        address: Address,
        /// What the system said.
        why: String,
        /// Whether the request may have got there, and may have been carried out.
        was_sent: bool,
    },
    /// The manager went away in the middle of a request that must not be sent twice.
    #[error(
        "the manager at {address} went away before it answered ({why}), and may have done it all the same; look before \
         you do it again"
    )]
    Unknown {
        /// Where it was.
        address: Address,
        /// What the system said.
        why: String,
    },
    /// The name of the host is not known.
    #[error(
        "the host name in {address} cannot be resolved ({why}); write the address that --server or the environment \
         variable POD gives as http://HOST:PORT"
    )]
    UnknownHost {
        /// Where it should be.
        address: Address,
        /// What the system said.
        why: String,
    },
    /// The token is missing or too weak.
    #[error("{detail}; give a valid token with --token or the environment variable POD_TOKEN")]
    NotAllowed {
        /// What the manager said.
        detail: String,
    },
    /// The manager refused the request, or could not carry it out.
    #[error("{detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the manager said, as a sentence.
        detail: String,
    },
    /// What answers there is no manager, or one of another version.
    #[error("what answers at {address} does not speak POD's API ({why}); check the address")]
    NotPod {
        /// Where.
        address: Address,
        /// What was wrong with the answer.
        why: String,
    },
    /// The token cannot be sent.
    #[error(
        "the token has characters that cannot be sent, such as a line end of Windows; look at what POD_TOKEN or --token \
         holds"
    )]
    UnsendableToken,
    /// TLS could not be set up on this machine.
    #[error("the HTTP client could not be set up: {0}")]
    Setup(String),
}

impl ClientError {
    /// Whether the same request may succeed when it is sent again later: the manager was away or overloaded.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Refused { status: 429 | 502 | 503 | 504, .. })
    }

    /// Whether the manager said that there is no such thing.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the manager said that things do not stand so that it could be done.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }
}

/// An error as `/api/v1` (RFC 9457) or the action API words it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    error: Option<String>,
}

/// Makes the sentence of an answer that is not a success.
pub(super) fn refusal(address: Address, status: reqwest::StatusCode, body: &[u8]) -> ClientError {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let said = problem.detail.or(problem.error).or(problem.title);
    // A manager says why it does not do something. These are what a proxy may answer in front of one.
    if said.is_none() && !matches!(status.as_u16(), 401 | 403 | 408 | 413 | 429 | 500 | 502..) {
        return ClientError::NotPod { address, why: format!("it answered {status}") };
    }
    let detail = said.unwrap_or_else(|| match status.as_u16() {
        413 => "the request is larger than the manager takes; send less at once".to_owned(),
        429 | 503 => "the manager is overloaded; try again in a moment".to_owned(),
        _ => format!("the manager answered {status}"),
    });
    match status.as_u16() {
        401 | 403 => ClientError::NotAllowed { detail: detail.trim_end_matches('.').to_owned() },
        status => ClientError::Refused { status, detail },
    }
}

/// What an error of that type says, where it is the error or among its causes.
pub(super) fn cause<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<E>() {
            return Some(error.to_string());
        }
        next = error.source();
    }
    None
}

/// The innermost reason of an error, which is the telling one: `Connection refused (os error 111)`.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    #[test]
    fn a_problem_becomes_its_sentence() {
        let body = br#"{"type":"x","title":"Not found","status":404,"detail":"The requested activity doesn't exist"}"#;
        let error = refusal(here(), StatusCode::NOT_FOUND, body);
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), "The requested activity doesn't exist");
    }

    #[test]
    fn a_missing_token_says_how_to_give_one() {
        let error = refusal(here(), StatusCode::UNAUTHORIZED, br#"{"error":"A token is needed."}"#);
        assert!(matches!(error, ClientError::NotAllowed { .. }));
        assert!(error.to_string().starts_with("A token is needed; give a valid token"), "{error}");
    }

    fn here() -> Address {
        "http://127.0.0.1:1".parse().expect("an address")
    }

    #[test]
    fn what_answers_without_a_reason_is_something_else() {
        for status in [StatusCode::NOT_FOUND, StatusCode::NOT_IMPLEMENTED, StatusCode::METHOD_NOT_ALLOWED] {
            let error = refusal(here(), status, b"<html>");
            assert!(matches!(error, ClientError::NotPod { .. }), "{error}");
        }
    }

    #[test]
    fn an_answer_without_words_still_gets_a_sentence() {
        assert_eq!(
            refusal(here(), StatusCode::BAD_GATEWAY, b"<html>").to_string(),
            "the manager answered 502 Bad Gateway"
        );
        assert!(refusal(here(), StatusCode::SERVICE_UNAVAILABLE, b"").is_passing());
    }
}

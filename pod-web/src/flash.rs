//! The message about an action that the next page shows. It travels in a cookie that is removed once it was shown, so that
//! no address can fake one.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::cookies::set_cookie;

/// A browser keeps at most about 4 KiB per cookie.
const MAX_TEXT_LEN: usize = 600;

/// A message and how it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flash {
    /// How it is meant.
    pub(crate) tone: Tone,
    /// A sentence.
    pub(crate) text: String,
}

/// How a message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It was done.
    Done,
    /// It was not done.
    Refused,
}

impl Flash {
    /// Something was done.
    pub(crate) fn done(text: impl Into<String>) -> Self {
        Self { tone: Tone::Done, text: text.into() }
    }

    /// Something was refused.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self { tone: Tone::Refused, text: text.into() }
    }

    /// Whether it is bad news.
    pub(crate) fn is_refusal(&self) -> bool {
        self.tone == Tone::Refused
    }

    pub(crate) fn from_cookie(value: &str) -> Option<Self> {
        let (text, _) = url::form_urlencoded::parse(value.as_bytes()).next()?;
        let (tone, text) = text.split_at_checked(1)?;
        let tone = match tone {
            "+" => Tone::Done,
            "-" => Tone::Refused,
            _ => return None,
        };
        Some(Self { tone, text: text.to_owned() })
    }

    /// What makes the browser keep it for the next page.
    pub(crate) fn cookie(&self, name: &str, secure: bool) -> HeaderValue {
        let mark = if self.is_refusal() { "-" } else { "+" };
        let text: String = self.text.chars().take(MAX_TEXT_LEN).collect();
        let value: String = url::form_urlencoded::byte_serialize(format!("{mark}{text}").as_bytes()).collect();
        set_cookie(name, &value, 60, secure)
    }

    /// Leads to a page of ours, which shows it. [`crate::failure::render_errors`] makes the cookie.
    pub(crate) fn at(&self, place: &str) -> Response {
        let mut response = see_other(place);
        response.extensions_mut().insert(self.clone());
        response
    }
}

/// Leads to a page of ours. A place that is not one is taken for the overview.
pub fn see_other(place: &str) -> Response {
    let place = if is_place(place) { place } else { "/overview" };
    let location = HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/overview"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// Whether it is a path of this site: browsers take `//host` and `/\host` for another one.
fn is_place(place: &str) -> bool {
    place.starts_with('/')
        && !place.starts_with("//")
        && place.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_its_cookie() {
        for text in ["Execution #3 was terminated.", "ä; b=\"c\" <script>", "", "+%2B\r\nx: y"] {
            for flash in [Flash::done(text), Flash::refused(text)] {
                let cookie = flash.cookie("pod_flash_1", false);
                let value = cookie.to_str().unwrap().strip_prefix("pod_flash_1=").unwrap().split(';').next().unwrap();
                assert_eq!(Flash::from_cookie(value), Some(flash));
            }
        }
        assert_eq!(Flash::from_cookie("nonsense"), None);
        assert_eq!(Flash::from_cookie(""), None);
    }

    #[test]
    fn one_is_never_led_to_another_site() {
        for (place, expected) in [
            ("/executions?status=failed", "/executions?status=failed"),
            ("//evil.example", "/overview"),
            ("/\\evil.example", "/overview"),
            ("https://evil.example", "/overview"),
            ("/a\r\nset-cookie: x", "/overview"),
            ("", "/overview"),
        ] {
            assert_eq!(see_other(place).headers()[header::LOCATION], expected, "{place}");
        }
    }
}

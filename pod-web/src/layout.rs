//! The frame around every page, built from the request, and the response of a page.

use std::{convert::Infallible, sync::Arc};

use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use crate::{
    assets,
    cookies::{cookie, set_cookie},
    flash::Flash,
    origin,
    web::Web,
};

/// What every answer of the dashboard allows: nothing that is not from here, no inline script, no frame around it.
pub const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// The places in the navigation: path, word, symbol, and the key that follows `g`.
const NAVIGATION: &[(&str, &str, &str, &str)] = &[
    ("/overview", "Overview", "overview", "o"),
    ("/activities", "Activities", "activities", "a"),
    ("/executions", "Executions", "executions", "e"),
    ("/workers", "Workers", "workers", "w"),
    ("/policies", "Policies", "policies", "p"),
    ("/events", "Events", "events", "v"),
];

/// The frame of one answer. Every handler takes one, puts it into its template as `frame`, and answers with
/// [`Frame::page`].
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The path that was asked for.
    pub(crate) path: String,
    /// The path with its query: where a form leads back to.
    pub(crate) here: String,
    /// What to tell first.
    pub(crate) flash: Option<Flash>,
    /// `light`, `dark`, or nothing where the system decides.
    pub(crate) theme: Option<&'static str>,
    /// What every form carries.
    pub(crate) form_token: String,
    /// Whether one can sign out.
    pub(crate) signs_in: bool,
    /// The name of the cookie of the message.
    flash_cookie: Arc<str>,
    /// The name of the cookie of the theme.
    pub(crate) theme_cookie: Arc<str>,
    /// Whether cookies are for TLS only.
    secure: bool,
}

impl FromRequestParts<Arc<Web>> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.path(), parts.uri.query(), &parts.headers, web))
    }
}

impl Frame {
    /// The frame for a request.
    pub(crate) fn of(path: &str, query: Option<&str>, headers: &HeaderMap, web: &Web) -> Self {
        let here = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        // The message is for the page that is led to, not for a part that an open page just asks for.
        let is_part = headers.get("sec-fetch-dest").is_some_and(|place| place == "empty");
        let flash = cookie(headers, &web.flash_cookie).filter(|_| !is_part).and_then(Flash::from_cookie);
        Self {
            path: path.to_owned(),
            here,
            flash,
            theme: web.theme(headers),
            form_token: web.form_token(headers),
            signs_in: web.signs_in,
            flash_cookie: Arc::clone(&web.flash_cookie),
            theme_cookie: Arc::clone(&web.theme_cookie),
            secure: origin::is_https(headers),
        }
    }

    /// Answers with a page.
    pub(crate) fn page(&self, template: &impl Template) -> Response {
        self.page_with(StatusCode::OK, template)
    }

    /// Answers with a page under another status.
    pub(crate) fn page_with(&self, status: StatusCode, template: &impl Template) -> Response {
        let mut response = html(status, template);
        if self.flash.is_some() {
            response.headers_mut().append(header::SET_COOKIE, set_cookie(&self.flash_cookie, "", 0, self.secure));
        }
        response
    }

    /// Where a file of ours is found.
    pub(crate) fn asset(&self, name: &str) -> &'static str {
        assets::address(name)
    }

    /// The navigation: path, word, symbol, key, and whether it is where we are.
    pub(crate) fn places(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str, bool)> {
        let path = if self.path == "/" { "/overview" } else { &self.path };
        NAVIGATION.iter().map(move |(place, word, symbol, key)| {
            let below = path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            (*place, *word, *symbol, *key, below)
        })
    }
}

/// An answer in HTML.
pub(crate) fn html(status: StatusCode, template: &impl Template) -> Response {
    let text = match template.render() {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    const REFERRER: HeaderName = header::REFERRER_POLICY;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (REFERRER, HeaderValue::from_static("same-origin")),
    ];
    (status, headers, text).into_response()
}

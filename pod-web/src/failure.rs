//! Error pages: a sentence that says what to do, in the usual frame.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use pod_core::{PodError, store::StoreError};

use crate::{
    flash::Flash,
    format::filters,
    layout::{self, Frame},
    origin,
    sentence::sentence,
    web::Web,
};

/// Why a page is not shown.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    sentence: String,
}

impl Failure {
    /// A failure with its sentence.
    pub(crate) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into() }
    }

    /// Nothing exists at the address.
    pub(crate) fn missing(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, sentence)
    }
}

impl From<PodError> for Failure {
    fn from(error: PodError) -> Self {
        let status = match &error {
            PodError::NoSuchActivity(_)
            | PodError::NoSuchRevision { .. }
            | PodError::NoSuchExecution(_)
            | PodError::NoSuchPolicy(_)
            | PodError::NoSuchWorker(_) => StatusCode::NOT_FOUND,
            PodError::Overloaded | PodError::Stopped | PodError::Store(StoreError::Unavailable(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            PodError::Store(StoreError::Full(_)) => StatusCode::INSUFFICIENT_STORAGE,
            PodError::Store(_) | PodError::Provision(_) | PodError::Crashed(_) => {
                tracing::error!(%error, "a page failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, sentence(&error))
    }
}

impl IntoResponse for Failure {
    /// The bare status; [`render_errors`] renders the page.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Debug, Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    frame: &'a Frame,
    title: &'a str,
    sentence: &'a str,
}

/// Renders failures as pages, and puts the message for the next page into its cookie.
pub(crate) async fn render_errors(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    let mut response = next.run(request).await;
    let policy = HeaderValue::from_static(layout::POLICY);
    response.headers_mut().entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    if let Some(failure) = response.extensions().get::<Failure>() {
        return render(failure, &Frame::of(uri.path(), uri.query(), &headers, &web));
    }
    if let Some(flash) = response.extensions_mut().remove::<Flash>() {
        let cookie = flash.cookie(&web.flash_cookie, origin::is_https(&headers));
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

pub(crate) fn render(failure: &Failure, frame: &Frame) -> Response {
    let title = match failure.status {
        StatusCode::NOT_FOUND => "Not here",
        StatusCode::FORBIDDEN => "Refused",
        StatusCode::SERVICE_UNAVAILABLE => "Not now",
        status if status.is_server_error() => "Something went wrong in POD",
        _ => "That does not work",
    };
    frame.page_with(failure.status, &FailurePage { frame, title, sentence: &failure.sentence })
}

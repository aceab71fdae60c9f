//! `/`, and the error page of every unknown address.

use axum::{
    http::{HeaderMap, Uri},
    response::Response,
};

use crate::{
    failure::{self, Failure},
    layout::Frame,
    pages::overview,
    web::Web,
};

/// The page at `/`, which the dashboard shares with the action API, and at unknown addresses.
pub async fn index(web: &Web, uri: &Uri, headers: &HeaderMap) -> Response {
    let frame = Frame::of(uri.path(), uri.query(), headers, web);
    let page = if frame.path == "/" {
        overview::page(web, &frame).await
    } else {
        Err(Failure::missing("There is no page at this address."))
    };
    page.unwrap_or_else(|failure| failure::render(&failure, &frame))
}

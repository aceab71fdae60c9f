//! `/` and every address where nothing is: what a browser gets there.

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

/// What a browser gets at `/`, which the dashboard shares with the action API, and where nothing else is.
pub async fn front(web: &Web, uri: &Uri, headers: &HeaderMap) -> Response {
    let frame = Frame::of(uri.path(), uri.query(), headers, web);
    let page = if frame.path == "/" {
        overview::page(web, &frame).await
    } else {
        Err(Failure::missing("There is no page at this address."))
    };
    page.unwrap_or_else(|failure| failure::shown(&failure, &frame))
}

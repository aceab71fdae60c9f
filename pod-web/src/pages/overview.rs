//! The overview: is work flowing, is something stuck, what is the fleet doing.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use pod_core::Overview;

use crate::{Web, failure::Failure, format::filters, layout::Frame};

#[derive(Debug, Template)]
#[template(path = "overview.html")]
struct OverviewPage<'a> {
    frame: &'a Frame,
    overview: Overview,
}

/// `GET /overview`.
pub(crate) async fn show(State(web): State<Arc<Web>>, frame: Frame) -> Result<Response, Failure> {
    page(&web, &frame).await
}

/// The page, also at `/`.
pub(crate) async fn page(web: &Web, frame: &Frame) -> Result<Response, Failure> {
    let overview = web.pod.overview().await?;
    Ok(frame.page(&OverviewPage { frame, overview }))
}

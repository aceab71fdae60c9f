//! Request durations by route and status.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
};

use super::Metrics;

/// An answer on its way.
pub(crate) struct RequestTimer {
    begun: Instant,
    method: &'static str,
    /// All requests that match no route share one label, whatever path they asked for.
    route: Option<MatchedPath>,
}

impl RequestTimer {
    pub(crate) fn start(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().cloned();
        Self { begun: Instant::now(), method: known(request.method()), route }
    }

    /// Counts how long it took to the beginning of its body.
    pub(crate) fn finish(self, metrics: &Metrics, status: StatusCode) {
        let route = self.route.as_ref().map_or("none", MatchedPath::as_str);
        let labels = [self.method, route, status.as_str()];
        metrics.request_seconds.with_label_values(&labels).observe(self.begun.elapsed().as_secs_f64());
    }
}

/// The name of a method; a stranger may call his as he likes.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

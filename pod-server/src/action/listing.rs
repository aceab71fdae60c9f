//! `getAllExecutions`: every execution that this API still knows, sent page by page.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use pod_core::{
    Pod, PodError,
    domain::{ActivityId, Execution, ExecutionId},
    store::ExecutionQuery,
};

use super::{answer::Answer, legacy_status};
use crate::serve::app::App;

const PAGE_SIZE: usize = 1000;

struct Listing {
    pod: Pod,
    names: Arc<BTreeMap<ActivityId, Arc<str>>>,
    page: Vec<Execution>,
    is_first: bool,
    is_done: bool,
}

pub(super) async fn all(app: &App) -> Answer {
    let pod = app.pod.clone();
    // The first page before the first byte: an error is then still an answer.
    let page = page(&pod, None).await?;
    let names = pod.activity_names().await?;
    let listing = Listing { pod, names, page, is_first: true, is_done: false };
    let stream = futures::stream::try_unfold(listing, |listing| listing.next());
    let mut response = Response::new(Body::from_stream(stream));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

async fn page(pod: &Pod, before: Option<ExecutionId>) -> Result<Vec<Execution>, PodError> {
    pod.executions(ExecutionQuery { before, not_retrieved: true, limit: PAGE_SIZE, ..ExecutionQuery::default() }).await
}

impl Listing {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, PodError> {
        if self.is_done {
            return Ok(None);
        }
        let mut text = String::new();
        for execution in &self.page {
            text.push(if std::mem::take(&mut self.is_first) { '{' } else { ',' });
            let name = self.names.get(&execution.activity).map_or("", |name| name);
            let status = legacy_status::execution(execution);
            // Names hold nothing that JSON would have to escape.
            text.push_str(&format!("\"{}\":\"activity={name}, status={status}\"", execution.id));
        }
        match self.page.last().map(|execution| execution.id) {
            Some(last) if self.page.len() == PAGE_SIZE => self.page = page(&self.pod, Some(last)).await?,
            _ => {
                text.push_str(if self.is_first { "{}" } else { "}" });
                self.is_done = true;
            }
        }
        Ok(Some((Bytes::from(text), self)))
    }
}

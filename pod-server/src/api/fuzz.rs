//! Fuzz entry points for all bodies, queries and headers that this API reads.

use axum::{
    extract::Query,
    http::{HeaderMap, HeaderValue, Uri},
};
use pod_core::domain::ExecutionId;
use serde::de::DeserializeOwned;

use super::{
    activities, body, events, executions, filter, output_events, output_query, page, policies, problem::Problem,
    request,
};

/// Every body that is JSON.
pub(crate) fn bodies(data: &[u8]) {
    fn read<T: DeserializeOwned>(data: &[u8]) -> Option<T> {
        let read = body::object::<T>(data);
        if let Err(sentence) = &read {
            assert!(!sentence.is_empty() && sentence.len() < data.len() + 2000, "{sentence}");
        }
        read.ok()
    }
    if let Some(body) = read::<activities::ActivityBody>(data) {
        said(body.after(None, Some("name")));
    }
    read::<executions::ExecutionBody>(data);
    if let Some(body) = read::<executions::BatchBody>(data) {
        assert!(body.inputs.items.len() <= pod_core::MAX_BATCH.min(body.inputs.count));
    }
    if let Some(body) = read::<policies::PolicyBody>(data) {
        said(policies::completed(body.rules));
    }
    read::<policies::RulesBody>(data);
}

/// A refusal is a sentence.
fn said<T>(read: Result<T, Problem>) {
    if let Err(problem) = read {
        assert!(!problem.detail.is_empty());
    }
}

/// Every query, cursors and times in them included.
pub(crate) fn queries(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    said(page::EXECUTIONS.after::<ExecutionId>(Some(text)));
    let _ = text.parse::<output_events::EventId>().map(|id| assert_eq!(id.to_string().parse(), Ok(id)));
    let Ok(uri) = format!("/?{}", text.trim()).parse::<Uri>() else { return };
    fn read<T: DeserializeOwned>(uri: &Uri) -> Option<T> {
        match Query::<T>::try_from_uri(uri) {
            Ok(Query(read)) => Some(read),
            Err(rejection) => {
                assert!(!super::parse_errors::of_query(&rejection.body_text()).is_empty());
                None
            }
        }
    }
    if let Some(query) = read::<filter::FilterQuery>(&uri) {
        said(query.limit());
        said(query.times());
    }
    if let Some(query) = read::<activities::ArchiveQuery>(&uri) {
        said(query.settings());
    }
    if let Some(query) = read::<output_query::OutputQuery>(&uri) {
        said(query.stream());
    }
    read::<activities::ListQuery>(&uri);
    read::<activities::LogQuery>(&uri);
    read::<executions::WaitQuery>(&uri);
    read::<events::EventsQuery>(&uri);
}

/// The headers that this API has of its own.
pub(crate) fn headers(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let mut headers = HeaderMap::new();
    for name in [activities::ENV_HEADER, "idempotency-key"] {
        headers.insert(
            axum::http::HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes())
                .unwrap_or_else(|_| unreachable!("it is a name")),
            value.clone(),
        );
    }
    said(activities::archive_env(&headers));
    said(request::idempotency_key(&headers));
}

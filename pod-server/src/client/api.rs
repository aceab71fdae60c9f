//! The requests of `/api/v1`, one method each.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use pod_core::domain::{ActivitySettings, Network, RetryRevision, Workdir};
use reqwest::{Method, RequestBuilder, header};
use serde::de::DeserializeOwned;
use serde_json::json;
use url::{Url, form_urlencoded};

use super::{
    error::Result,
    http::{Client, IDEMPOTENCY_KEY},
    model::{Activity, BatchIds, BulkOutcome, Execution, Explanation, Overview, Page, Policy, Revision, Worker},
    retry::Resend,
};

/// Which executions to list.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Of this activity only.
    pub activity: Option<String>,
    /// With this status only, by its word.
    pub status: Option<String>,
    /// Submitted at this moment or later, as an RFC 3339 time.
    pub submitted_after: Option<String>,
    /// Submitted before this moment, as an RFC 3339 time.
    pub submitted_before: Option<String>,
    /// The page size.
    pub limit: Option<usize>,
    /// Where the page begins: `next` of the page before it.
    pub cursor: Option<String>,
}

impl ExecutionFilter {
    fn of(&self, mut url: Url) -> Url {
        let limit = self.limit.map(|limit| limit.to_string());
        let pairs = [
            ("activity", self.activity.as_deref()),
            ("status", self.status.as_deref()),
            ("submittedAfter", self.submitted_after.as_deref()),
            ("submittedBefore", self.submitted_before.as_deref()),
            ("limit", limit.as_deref()),
            ("cursor", self.cursor.as_deref()),
        ];
        url.query_pairs_mut().extend_pairs(pairs.into_iter().filter_map(|(name, value)| Some((name, value?))));
        url
    }
}

impl Client {
    /// Registers a directory, packed as tar.gz, for executions of one's own; the same content and settings again are the
    /// same revision.
    pub async fn register_directory(
        &self,
        name: &str,
        archive: Bytes,
        settings: &ActivitySettings,
    ) -> Result<Revision> {
        let mut url = self.api(&["activities", name, "revisions"]);
        if let Some(isolation) = settings.isolation {
            url.query_pairs_mut().append_pair("isolation", isolation.as_str());
        }
        if settings.workdir != Workdir::default() {
            url.query_pairs_mut().append_pair("workdir", settings.workdir.as_str());
        }
        if settings.network != Network::default() {
            url.query_pairs_mut().append_pair("network", settings.network.as_str());
        }
        if let Some(timeout) = settings.timeout {
            url.query_pairs_mut().append_pair("timeoutSeconds", &timeout.as_duration().as_secs_f64().to_string());
        }
        if settings.retries > 0 {
            url.query_pairs_mut().append_pair("retries", &settings.retries.to_string());
        }
        let mut request =
            self.request(Method::POST, url).header(header::CONTENT_TYPE, "application/gzip").body(archive);
        if !settings.env.is_empty() {
            let pairs = form_urlencoded::Serializer::new(String::new()).extend_pairs(&settings.env).finish();
            request = request.header("Pod-Env", pairs);
        }
        self.json(request).await
    }

    /// An activity.
    pub async fn activity(&self, name: &str) -> Result<Activity> {
        self.json(self.request(Method::GET, self.api(&["activities", name]))).await
    }

    /// A page of activities, by name.
    pub async fn activities(&self, cursor: Option<&str>) -> Result<Page<Activity>> {
        self.page("activities", cursor).await
    }

    async fn page<T: DeserializeOwned>(&self, list: &str, cursor: Option<&str>) -> Result<Page<T>> {
        let mut url = self.api(&[list]);
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        self.json(self.request(Method::GET, url)).await
    }

    /// A revision of an activity.
    pub async fn revision(&self, activity: &str, revision: u32) -> Result<Revision> {
        let revision = revision.to_string();
        self.json(self.request(Method::GET, self.api(&["activities", activity, "revisions", &revision]))).await
    }

    /// Starts an execution, of the current revision unless one is named; sent again with the same key, it is the same execution.
    pub async fn start(
        &self,
        activity: &str,
        revision: Option<u32>,
        input: Option<&str>,
        key: &str,
    ) -> Result<Execution> {
        let mut body = json!({ "activity": activity });
        if let Some(revision) = revision {
            body["revision"] = revision.into();
        }
        if let Some(input) = input {
            body["input"] = input.into();
        }
        let request = self.request(Method::POST, self.api(&["executions"])).header(IDEMPOTENCY_KEY, key).json(&body);
        self.json(request).await
    }

    /// Starts an execution of that revision per input, all or none; sent again with the same key, they are the same executions.
    pub async fn start_batch(&self, activity: &str, revision: u32, inputs: &[String], key: &str) -> Result<BatchIds> {
        let body = json!({ "activity": activity, "revision": revision, "inputs": inputs });
        let request =
            self.request(Method::POST, self.api(&["executions", "batch"])).header(IDEMPOTENCY_KEY, key).json(&body);
        self.json(request).await
    }

    /// An execution as it stands.
    pub async fn execution(&self, id: u64) -> Result<Execution> {
        self.json(self.request(Method::GET, self.api(&["executions", &id.to_string()]))).await
    }

    /// An execution when it has ended, or as it stands after `limit` (whole seconds).
    pub async fn wait(&self, id: u64, limit: Duration) -> Result<Execution> {
        let mut url = self.api(&["executions", &id.to_string()]);
        url.query_pairs_mut().append_pair("wait", &limit.as_secs().max(1).to_string());
        self.json(self.request(Method::GET, url)).await
    }

    /// A page of executions, newest first.
    pub async fn executions(&self, filter: &ExecutionFilter) -> Result<Page<Execution>> {
        self.json(self.request(Method::GET, filter.of(self.api(&["executions"])))).await
    }

    /// Asks for the end of a portion of those that match and have not ended; `next` is the cursor of the next one.
    pub async fn terminate_matching(&self, filter: &ExecutionFilter) -> Result<BulkOutcome> {
        self.json(self.request(Method::POST, filter.of(self.api(&["executions", "terminate"])))).await
    }

    /// Runs a portion of those that match and have ended again; under the same key none is run again twice.
    pub async fn retry_matching(
        &self,
        filter: &ExecutionFilter,
        revision: RetryRevision,
        key: &str,
    ) -> Result<BulkOutcome> {
        let request = self.request(Method::POST, filter.of(self.api(&["executions", "retry"])));
        self.json(with_revision(request, revision).header(IDEMPOTENCY_KEY, key)).await
    }

    /// Asks for the end of an execution; a conflict when it has already ended.
    pub async fn terminate(&self, id: u64) -> Result<()> {
        let url = self.api(&["executions", &id.to_string(), "terminate"]);
        self.send(self.request(Method::POST, url)).await.map(drop)
    }

    /// Runs an ended execution again, as a new one; sent again with the same key, it is the same new one.
    pub async fn retry(&self, id: u64, revision: RetryRevision, key: &str) -> Result<Execution> {
        let request = self.request(Method::POST, self.api(&["executions", &id.to_string(), "retry"]));
        self.json(with_revision(request, revision).header(IDEMPOTENCY_KEY, key)).await
    }

    /// Why an execution is where it is.
    pub async fn explain(&self, id: u64) -> Result<Explanation> {
        self.json(self.request(Method::GET, self.api(&["executions", &id.to_string(), "explain"]))).await
    }

    /// Everything in numbers.
    pub async fn overview(&self) -> Result<Overview> {
        self.json(self.request(Method::GET, self.api(&["overview"]))).await
    }

    /// A page of workers, newest first.
    pub async fn workers(&self, cursor: Option<&str>) -> Result<Page<Worker>> {
        self.page("workers", cursor).await
    }

    /// A worker.
    pub async fn worker(&self, id: u64) -> Result<Worker> {
        self.json(self.request(Method::GET, self.api(&["workers", &id.to_string()]))).await
    }

    /// Lets a worker go when what it runs has ended; a conflict when it has ended already.
    pub async fn drain_worker(&self, id: u64) -> Result<Worker> {
        self.json(self.request(Method::POST, self.api(&["workers", &id.to_string(), "drain"]))).await
    }

    /// A page of policies, the default one first.
    pub async fn policies(&self, cursor: Option<&str>) -> Result<Page<Policy>> {
        self.page("policies", cursor).await
    }

    /// Makes a policy.
    pub async fn create_policy(&self, name: &str, rules: &BTreeMap<String, String>) -> Result<Policy> {
        let body = json!({ "name": name, "rules": rules });
        self.json_of(self.request(Method::POST, self.api(&["policies"])).json(&body), Resend::IfNotReceived).await
    }

    /// Makes a policy the active one.
    pub async fn apply_policy(&self, name: &str) -> Result<Policy> {
        self.json(self.request(Method::POST, self.api(&["policies", name, "apply"]))).await
    }

    /// Deletes a policy.
    pub async fn delete_policy(&self, name: &str) -> Result<()> {
        let request = self.request(Method::DELETE, self.api(&["policies", name]));
        self.persist(request, Resend::IfNotReceived, Self::head).await.map(drop)
    }
}

/// A request to run something again, with another revision where that is wanted.
fn with_revision(request: RequestBuilder, revision: RetryRevision) -> RequestBuilder {
    match revision {
        RetryRevision::Same => request,
        RetryRevision::Latest => request.json(&json!({ "revision": "latest" })),
    }
}

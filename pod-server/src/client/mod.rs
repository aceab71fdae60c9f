//! A small typed client of a manager: `/api/v1` for everything newer, and the action API for the original commands.
//!
//! It sends each request once. Who wants to outlast a manager that is restarted asks [`ClientError::is_passing`] and
//! sends it again; what changes something carries an idempotency key for that.

mod address;
mod api;
mod error;
mod model;
mod output;
mod output_events;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use reqwest::{Method, RequestBuilder, Response, header};
use serde::de::DeserializeOwned;
use url::Url;

pub use address::{Address, InvalidAddress};
pub use api::ExecutionFilter;
pub use error::ClientError;
pub use model::{
    Activity, BatchIds, Execution, Explanation, FailedInstallation, Fleet, Overview, Page, Policy, Portion, Status,
    StatusCounts, Worker,
};
pub use output::{Gap, OutputBytes, OutputRequest};
pub use output_events::{OutputEvent, OutputEvents, OutputEventsRequest};

/// A manager that one can talk to. Cheap to clone; connections are shared and kept.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    address: Arc<RwLock<Address>>,
    token: Option<String>,
}

type Result<T> = std::result::Result<T, ClientError>;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Client {
    /// A client of the manager at that address.
    pub fn new(address: Address, token: Option<String>) -> Result<Self> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A manager's machine that vanished is noticed, also while a quiet execution is followed for hours.
            .tcp_keepalive(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .no_gzip();
        if address.is_plain() {
            // Reading the system's certificates takes longer than a whole request to a local manager.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| ClientError::Setup(error::innermost(&error)))?;
        Ok(Self { http, address: Arc::new(RwLock::new(address)), token: token.filter(|token| !token.is_empty()) })
    }

    /// Where the manager is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on the manager is there; this goes for all clones, too.
    pub fn redirect(&self, address: Address) {
        *self.address.write().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// Sends a request of the action API: its answer, whether it is a result or an `error`.
    pub async fn action(&self, action: &str, parameters: &[(&str, &str)]) -> Result<serde_json::Value> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("action", action)
            .extend_pairs(parameters)
            .finish();
        let request = self
            .request(Method::POST, self.address().at(["POD", ""]))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        self.json(request).await
    }

    fn api(&self, segments: &[&str]) -> Url {
        self.address().at(["api", "v1"].into_iter().chain(segments.iter().copied()))
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and takes an answer that is a success.
    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.lost(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.map_err(|error| self.lost(&error))?;
        Err(error::refusal(status, &body))
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|error| self.lost(&error))?;
        serde_json::from_slice(&body)
            .map_err(|error| ClientError::NotPod { address: self.address(), why: error.to_string() })
    }

    fn lost(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable { address: self.address(), why: error::innermost(error) }
    }
}

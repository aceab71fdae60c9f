//! The client itself: sends requests, once or until they are answered.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use reqwest::{Method, RequestBuilder, Response, header};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    address::Address,
    error::{self, ClientError, Result},
    resolve,
    retry::{ConnectionObserver, Resend, RetryPolicy, RetryState},
};

/// A manager that one can talk to. Cheap to clone; connections are shared and kept.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    address: Arc<RwLock<Address>>,
    token: Option<String>,
    retry_policy: Option<RetryPolicy>,
}

/// By which a request is known when it is sent again.
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The requests of the action API that do the same when they are sent again.
const REPEATABLE_ACTIONS: [&str; 10] = [
    "newExecution",
    "getActivityStatus",
    "getAllExecutions",
    "getWorkers",
    "getPolicies",
    "getActivePolicy",
    "applyPolicy",
    "resetPolicies",
    "terminateExecution",
    "logs",
];

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
            .dns_resolver(Arc::new(resolve::Resolver::default()))
            .no_proxy()
            .no_gzip();
        if address.is_plain() {
            // Reading the system's certificates takes longer than a whole request to a local manager.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| ClientError::Setup(error::innermost(&error)))?;
        let token = token.filter(|token| !token.is_empty());
        if token.as_ref().is_some_and(|token| header::HeaderValue::from_str(token).is_err()) {
            return Err(ClientError::UnsendableToken);
        }
        Ok(Self { http, address: Arc::new(RwLock::new(address)), token, retry_policy: None })
    }

    /// The same client, which retries requests for up to `limit` while no manager answers, and reports that to the
    /// observer.
    #[must_use]
    pub fn with_retries(&self, limit: Duration, observer: Arc<dyn ConnectionObserver>) -> Self {
        Self { retry_policy: Some(RetryPolicy { limit, observer }), ..self.clone() }
    }

    /// The tries of something that is taken up again where it broke off.
    #[must_use]
    pub fn retry_state(&self) -> RetryState {
        RetryState::new(self.retry_policy.clone())
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

    /// Sends a request of the action API: its answer, whether it is a result or an `error`. `newExecution` is the same
    /// execution when it is sent again with the same key.
    pub async fn action(&self, action: &str, parameters: &[(&str, &str)], key: &str) -> Result<serde_json::Value> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("action", action)
            .extend_pairs(parameters)
            .finish();
        let request = self
            .request(Method::POST, self.address().at(["POD", ""]))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(IDEMPOTENCY_KEY, key)
            .body(body);
        let resend = if REPEATABLE_ACTIONS.contains(&action) { Resend::Always } else { Resend::IfNotReceived };
        self.json_of(request, resend).await
    }

    pub(super) fn api(&self, segments: &[&str]) -> Url {
        self.address().at(["api", "v1"].into_iter().chain(segments.iter().copied()))
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and takes an answer that is a success, of which the body is still to be read.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        self.persist(request, Resend::Always, Self::head).await
    }

    pub(super) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        self.json_of(request, Resend::Always).await
    }

    pub(super) async fn json_of<T: DeserializeOwned>(&self, request: RequestBuilder, resend: Resend) -> Result<T> {
        let body = self.persist(request, resend, Self::whole).await?;
        serde_json::from_slice(&body)
            .map_err(|error| ClientError::NotPod { address: self.address(), why: error.to_string() })
    }

    /// Sends a request until it is answered, within this client's patience and where the request may be repeated.
    pub(super) async fn persist<T, F>(
        &self,
        mut request: RequestBuilder,
        resend: Resend,
        send: impl Fn(Self, RequestBuilder) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut tries = self.retry_state();
        loop {
            let again = request.try_clone();
            // Boxed, or it would make every future that asks something large.
            let error = match Box::pin(send(self.clone(), request)).await {
                Ok(answer) => {
                    tries.answered();
                    return Ok(answer);
                }
                Err(error) => resend.judge(error),
            };
            let Some(again) = again else { return Err(error) };
            tries.wait_or_fail(error).await?;
            request = self.redirected(again)?;
        }
    }

    /// The same request to where the manager is by now.
    fn redirected(&self, request: RequestBuilder) -> Result<RequestBuilder> {
        let (http, request) = request.build_split();
        let mut request = request.map_err(|error| ClientError::Setup(error::innermost(&error)))?;
        self.address().take(request.url_mut());
        Ok(RequestBuilder::from_parts(http, request))
    }

    pub(super) async fn head(self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.transport_error(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.map_err(|error| self.transport_error(&error))?;
        Err(error::refusal(self.address(), status, &body))
    }

    pub(super) async fn whole(self, request: RequestBuilder) -> Result<Bytes> {
        let response = self.clone().head(request).await?;
        response.bytes().await.map_err(|error| self.transport_error(&error))
    }

    pub(super) fn transport_error(&self, error: &reqwest::Error) -> ClientError {
        let address = self.address();
        match error::cause::<resolve::UnknownName>(error) {
            Some(why) => ClientError::UnknownHost { address, why },
            None => ClientError::Unreachable { address, why: error::innermost(error), was_sent: !error.is_connect() },
        }
    }
}

//! Fetches installation scripts over HTTP, within limits.
//!
//! Whoever registers an activity names an address that this machine then asks. So: only `http` and `https` (and `file`
//! where the operator allows it), every address checked after it was resolved and on every redirect, no proxy from the
//! environment, and limits of time, size and redirects. Nothing here retries or caches: the engine asks once per
//! revision and pins what it gets.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::BytesMut;
use pod_core::{FetchedScript, ScriptFetcher, domain::Millis};
use reqwest::{Client, Response, StatusCode, header, redirect};
use url::{Host, Url};

mod addresses;
mod file;
mod tls;

use addresses::{CheckedResolver, refused_address};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// What fetching is limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// The largest script in bytes.
    pub max_bytes: usize,
    /// How long everything may take, from the first name looked up to the last byte.
    pub time: Millis,
    /// Which addresses are fetched from.
    pub schemes: Schemes,
}

/// Which addresses are fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schemes {
    /// `http` and `https`.
    Http,
    /// `file` too: whoever registers an activity can then read what the manager can.
    HttpAndFile,
}

/// Fetches over HTTP.
pub struct HttpFetch {
    client: Client,
    limits: FetchLimits,
    /// Why `https` cannot be checked on this machine, where it cannot.
    tls_problem: Option<String>,
}

impl fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetch").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl HttpFetch {
    /// Sets up fetching within these limits. Fails with a sentence where the HTTP client cannot be set up.
    pub fn new(limits: FetchLimits) -> Result<Self, String> {
        let (config, tls_problem) = tls::configuration()?;
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .dns_resolver(Arc::new(CheckedResolver))
            .redirect(redirect::Policy::none())
            .no_proxy()
            // The sha256 pins the bytes as they came: nothing is unpacked on the way.
            .no_gzip()
            .pool_max_idle_per_host(0)
            .user_agent(concat!("pod/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("fetching scripts cannot be set up: {}", whole(&error)))?;
        Ok(Self { client, limits, tls_problem })
    }

    fn checked(&self, text: &str) -> Result<Url, String> {
        let url = Url::parse(text)
            .map_err(|error| format!("The script's address {:?} is malformed: {error}", shortened(text)))?;
        match (url.scheme(), self.limits.schemes) {
            ("http" | "https", _) => {}
            ("file", Schemes::HttpAndFile) => return Ok(url),
            ("file", Schemes::Http) => {
                return Err("Scripts are not fetched from file: addresses; the operator may allow it with \
                            --allow-file-urls, or give the script itself"
                    .to_owned());
            }
            (other, _) => {
                return Err(format!(
                    "Scripts are fetched by http or https, not {other:?}; correct the script's address"
                ));
            }
        }
        // A name is checked once it is resolved; an address that stands there itself is not resolved.
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) => None,
            None => return Err(format!("The script's address {:?} names no host", shortened(text))),
        };
        match literal.and_then(refused_address) {
            Some(reason) => Err(format!("Scripts are not fetched from {}: {reason}", shown(&url))),
            None => Ok(url),
        }
    }

    async fn over_http(&self, mut url: Url) -> Result<FetchedScript, String> {
        for _ in 0..=MAX_REDIRECTS {
            if let (Some(problem), "https") = (&self.tls_problem, url.scheme()) {
                return Err(format!("The script at {} could not be fetched: {problem}", shown(&url)));
            }
            let response =
                self.client.get(url.clone()).header(header::ACCEPT_ENCODING, "identity").send().await.map_err(
                    |error| format!("The script at {} could not be fetched: {}", shown(&url), whole(&error)),
                )?;
            match response.status() {
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => url = self.redirected(&url, &response)?,
                status if status.is_success() => return self.body(&url, response).await,
                status => {
                    return Err(format!("The script at {} could not be fetched: HTTP status {status}", shown(&url)));
                }
            }
        }
        Err(format!("The script's address leads through more than {MAX_REDIRECTS} redirects, last to {}", shown(&url)))
    }

    fn redirected(&self, from: &Url, response: &Response) -> Result<Url, String> {
        let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let to = location.and_then(|location| from.join(location).ok()).ok_or_else(|| {
            format!("The script at {} is redirected to nowhere (HTTP status {})", shown(from), response.status())
        })?;
        // Where file: addresses are allowed to people, they are not allowed to the servers that people name.
        if to.scheme() == "file" {
            return Err(format!(
                "The script at {} is redirected to a file: address, which is not followed",
                shown(from)
            ));
        }
        self.checked(to.as_str())
    }

    async fn body(&self, url: &Url, mut response: Response) -> Result<FetchedScript, String> {
        let max = self.limits.max_bytes;
        let too_large = || format!("The script at {} is larger than the {max} bytes allowed", shown(url));
        if response.content_length().is_some_and(|length| length > max as u64) {
            return Err(too_large());
        }
        let mut bytes = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > max => return Err(too_large()),
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => return Ok(FetchedScript { bytes: bytes.freeze() }),
                Err(error) => {
                    return Err(format!("The script at {} did not arrive whole: {}", shown(url), whole(&error)));
                }
            }
        }
    }
}

#[async_trait]
impl ScriptFetcher for HttpFetch {
    fn check(&self, url: &str) -> Result<(), String> {
        self.checked(url).map(drop)
    }

    async fn fetch(&self, url: &str) -> Result<FetchedScript, String> {
        let url = self.checked(url)?;
        let place = shown(&url);
        let fetching = async {
            if url.scheme() == "file" {
                file::read(&url, self.limits.max_bytes).await
            } else {
                self.over_http(url).await
            }
        };
        tokio::time::timeout(self.limits.time.as_duration(), fetching)
            .await
            .unwrap_or_else(|_| Err(format!("The script at {place} could not be fetched within {}", self.limits.time)))
    }
}

/// An address as it may be shown: user names, passwords and queries hold secrets.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    shortened(url.as_str())
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

/// An error with its causes; without the address, which may hold secrets.
fn whole(error: &reqwest::Error) -> String {
    let mut said = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said.push(error.to_string());
        cause = error.source();
    }
    // Each layer of the client wraps the next; the innermost ones say what happened.
    said.dedup();
    match said.len() {
        0 => "the connection failed".to_owned(),
        count => said[count.saturating_sub(2)..].join(": "),
    }
}

#[cfg(test)]
mod tests;

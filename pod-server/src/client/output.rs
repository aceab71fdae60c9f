//! Reading what an execution printed, byte for byte.

use bytes::Bytes;
use pod_core::domain::Stream;
use reqwest::{Method, Response};

use super::{
    error::{ClientError, Result},
    http::Client,
};

/// Which bytes to read.
#[derive(Clone, Copy, Debug)]
pub struct OutputRequest {
    /// The execution.
    pub execution: u64,
    /// Which stream of it.
    pub stream: Stream,
    /// Which attempt of it; the latest when absent.
    pub attempt: Option<u32>,
    /// From this offset on.
    pub offset: u64,
    /// Whether to go on until the attempt has ended.
    pub follow: bool,
}

/// What the cap cut out of a stream, in the program's own offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first missing byte.
    pub start: u64,
    /// The first byte that is there again.
    pub end: u64,
}

/// The bytes, as they arrive.
#[derive(Debug)]
pub struct OutputBytes {
    client: Client,
    response: Response,
    gap: Option<Gap>,
    attempt: Option<u32>,
}

impl OutputBytes {
    /// Which attempt it is of; not known where the execution had not begun.
    #[must_use]
    pub const fn attempt(&self) -> Option<u32> {
        self.attempt
    }

    /// What the cap cut out, as far as it was known when the answer began.
    #[must_use]
    pub const fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// The next bytes; `None` when the attempt has ended, or what was there has been read.
    /// Cancellation safe.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.response.chunk().await.map_err(|error| self.client.transport_error(&error))
    }
}

impl Client {
    /// Reads output of an execution.
    pub async fn output(&self, request: OutputRequest) -> Result<OutputBytes> {
        let mut url = self.api(&["executions", &request.execution.to_string(), "output"]);
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("stream", request.stream.as_str());
            query.append_pair("offset", &request.offset.to_string());
            if let Some(attempt) = request.attempt {
                query.append_pair("attempt", &attempt.to_string());
            }
            if request.follow {
                query.append_pair("follow", "true");
            }
        }
        let response = self.send(self.request(Method::GET, url)).await?;
        let attempt = number_in(&response, "pod-output-attempt");
        let gap = match (number_in(&response, "pod-output-gap-start"), number_in(&response, "pod-output-gap-end")) {
            (Some(start), Some(end)) if start <= end => Some(Gap { start, end }),
            (None, None) => None,
            _ => {
                let why = "its gap headers make no sense".to_owned();
                return Err(ClientError::NotPod { address: self.address(), why });
            }
        };
        Ok(OutputBytes { client: self.clone(), response, gap, attempt })
    }
}

fn number_in<N: std::str::FromStr>(response: &Response, header: &str) -> Option<N> {
    response.headers().get(header)?.to_str().ok()?.parse().ok()
}

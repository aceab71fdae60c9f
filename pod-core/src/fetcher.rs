//! The trait of what fetches installation scripts.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

/// Fetches installation scripts. The engine asks once per revision and pins what it gets.
#[async_trait]
pub trait ScriptFetcher: Debug + Send + Sync + 'static {
    /// Whether this address could be fetched at all: a sentence when not. Called before an activity is registered; no IO.
    fn check(&self, url: &str) -> Result<(), String>;

    /// Fetches it, within limits of time, size and redirects; a sentence when that failed.
    async fn fetch(&self, url: &str) -> Result<FetchedScript, String>;
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedScript {
    /// The bytes as they came.
    pub bytes: Bytes,
}

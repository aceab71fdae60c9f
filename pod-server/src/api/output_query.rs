//! The query parameters that select a part of an output.

use pod_core::domain::Stream;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{openapi::enums::StreamWord, problem::Problem};

/// Which output.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OutputQuery {
    /// `stdout` (unless given) or `stderr`. As events: both unless given.
    #[param(value_type = Option<StreamWord>)]
    pub(super) stream: Option<String>,
    /// From this offset on, as the program counts its bytes.
    #[param(maximum = 9_223_372_036_854_775_807_u64)]
    pub(super) offset: Option<u64>,
    /// Go on until the end of the attempt. Events do so, and through later attempts, unless this is `false`.
    pub(super) follow: Option<bool>,
    /// Of this attempt; the latest one unless given.
    #[param(minimum = 1)]
    pub(super) attempt: Option<u32>,
}

impl OutputQuery {
    pub(super) fn stream(&self) -> Result<Option<Stream>, Problem> {
        match self.stream.as_deref() {
            None => Ok(None),
            Some(word) => match Stream::BOTH.into_iter().find(|stream| stream.as_str() == word) {
                Some(stream) => Ok(Some(stream)),
                None => Err(Problem::invalid(format!("stream must be stdout or stderr, not {word:?}"))),
            },
        }
    }
}

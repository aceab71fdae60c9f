//! What can go wrong with a store.

use std::sync::Arc;

use crate::domain::AttemptKey;

/// What can go wrong with a store. Each kind has one reaction of the engine.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached or answers with an error that may pass: the same batch is tried again, nothing is performed.
    #[error("the store is unavailable: {0}")]
    Unavailable(Arc<str>),
    /// No space: new submits and output are refused first; ends and deletions still commit from a reserve.
    #[error("the store is full: {0}")]
    Full(Arc<str>),
    /// The batch contradicts what is there: the engine loads its state anew.
    #[error("the store refused a contradiction: {0}")]
    Conflict(Arc<str>),
    /// Another manager took over: the engine drops its state.
    #[error("another manager took over this store")]
    Fenced,
    /// Output was sent that does not join what is there.
    #[error("output at offset {offset} leaves a hole after {expected}")]
    Gap {
        /// Where it should go on.
        expected: u64,
        /// Where it would have gone on.
        offset: u64,
    },
    /// It is not a store of this version, or not one at all: a sentence for the person who named it.
    #[error("{0}")]
    Incompatible(Arc<str>),
}

impl StoreError {
    /// It cannot be reached, or answers with an error that may pass.
    pub fn unavailable(why: impl Into<Arc<str>>) -> Self {
        Self::Unavailable(why.into())
    }

    /// There is no space.
    pub fn full(why: impl Into<Arc<str>>) -> Self {
        Self::Full(why.into())
    }

    /// A batch contradicts what is there.
    pub fn conflict(why: impl Into<Arc<str>>) -> Self {
        Self::Conflict(why.into())
    }

    /// It is not a store of this version, or not one at all: with a sentence for the person who named it.
    pub fn incompatible(sentence: impl Into<Arc<str>>) -> Self {
        Self::Incompatible(sentence.into())
    }

    /// Output was sent for an attempt that has ended or never was.
    #[must_use]
    pub fn not_open(key: AttemptKey) -> Self {
        Self::Conflict(format!("attempt {key} is not open and takes no output").into())
    }
}

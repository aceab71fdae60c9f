//! Typed identifiers. Integers handed out by the store, never used again, also after a deletion.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl From<$int> for $name {
            fn from(number: $int) -> Self {
                Self(number)
            }
        }

        impl From<$name> for $int {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;
            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// An activity. The first one is 1.
    ActivityId(u64)
}
id! {
    /// A revision of an activity: 1 for the first, counted per activity.
    RevisionNo(u32)
}
id! {
    /// An execution. The first one is 1.
    ExecutionId(u64)
}
id! {
    /// An attempt to run an execution: 1 for the first, counted per execution.
    AttemptNo(u32)
}
id! {
    /// A worker. The first one is 1.
    WorkerId(u64)
}
id! {
    /// A policy. The first one that a user makes is 1; the built-in default is 0.
    PolicyId(u64)
}
id! {
    /// How often a manager took over the store. A worker that meets an older epoch stops.
    Epoch(u64)
}
id! {
    /// One connection of one worker. Frames of an older session are refused.
    SessionId(u64)
}

impl WorkerId {
    /// So many numbers of workers belong to one history of a store.
    pub const PER_HISTORY: u64 = 1_000_000_000;

    /// Of which history of its store it is. One that is restored from a copy begins another history, far behind: what its
    /// workers were told since the copy was made is not known any more, so that none of them is taken for what the copy
    /// says that it is.
    #[must_use]
    pub const fn history(self) -> u64 {
        self.0 / Self::PER_HISTORY
    }
}

/// One attempt of one execution: what workers report on, and what output belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptKey {
    /// The execution.
    pub execution: ExecutionId,
    /// Which attempt of it.
    pub attempt: AttemptNo,
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.execution, self.attempt)
    }
}

impl FromStr for AttemptKey {
    type Err = InvalidAttemptKey;
    fn from_str(text: &str) -> Result<Self, InvalidAttemptKey> {
        let parts = text.split_once('.').and_then(|(execution, attempt)| {
            Some(Self { execution: execution.parse().ok()?, attempt: attempt.parse().ok()? })
        });
        parts.ok_or_else(|| InvalidAttemptKey(text.chars().take(120).collect()))
    }
}

/// A text that names no attempt, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no attempt: give the execution and the attempt as in 12.1")]
pub struct InvalidAttemptKey(pub String);

/// The identity of a store. Made once with it; a worker obeys only the store that it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreId(pub Uuid);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for StoreId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_read_as_it_is_written() {
        let key = AttemptKey { execution: 12.into(), attempt: 1.into() };
        assert_eq!(key.to_string().parse(), Ok(key));
        for wrong in ["", "12", "12.", ".1", "12.1.1", "12.x"] {
            assert!(wrong.parse::<AttemptKey>().is_err(), "{wrong}");
        }
    }
}

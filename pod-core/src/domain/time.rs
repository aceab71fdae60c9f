//! Moments and durations, in milliseconds, as they are stored and sent.

use std::{fmt, ops, time::Duration};

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A duration in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Timestamp {
    /// The latest moment that can be written.
    pub const MAX: Self = Self(i64::MAX);

    /// How long after `earlier` this moment is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment as RFC 3339 text in UTC, with milliseconds: `2026-11-24T05:50:00.123Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl ops::Add<Millis> for Timestamp {
    type Output = Self;
    fn add(self, duration: Millis) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.0).unwrap_or(i64::MAX)))
    }
}

impl ops::Sub<Millis> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Millis) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.0).unwrap_or(i64::MAX)))
    }
}

impl Millis {
    /// So many whole seconds, or as many as there can be.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// As the standard library's duration.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<Duration> for Millis {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Millis {
    /// In words a person reads: `42 ms`, `1.2 s`, `3 min 04 s`, `2 h 05 min`, `3 d 04 h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0;
        let seconds = ms / 1000;
        match seconds {
            0 => write!(f, "{ms} ms"),
            1..60 if ms.is_multiple_of(1000) => write!(f, "{seconds} s"),
            1..60 => write!(f, "{seconds}.{} s", ms % 1000 / 100),
            60..3600 if seconds.is_multiple_of(60) => write!(f, "{} min", seconds / 60),
            60..3600 => write!(f, "{} min {:02} s", seconds / 60, seconds % 60),
            3600..86_400 if seconds % 3600 < 60 => write!(f, "{} h", seconds / 3600),
            3600..86_400 => write!(f, "{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
            _ => write!(f, "{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3600),
        }
    }
}

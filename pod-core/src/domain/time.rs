//! Moments, ages and durations, in milliseconds, as they are stored and sent.
//!
//! There are two times, and the types keep them apart. A [`Timestamp`] is what the system's clock said: it is shown and
//! searched for, and nothing is decided by it, because anybody may set that clock. An [`Age`] is how long a POD has
//! lived: everything that becomes due, is late or is over does so by it.

use std::{
    fmt, ops,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

/// A moment, as the system's clock told it: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// How long a POD has lived, in milliseconds, by a clock that nobody can set. It goes on while the machine sleeps and
/// while no manager runs, as long as the machine is not started anew; what passes between the last manager and the next
/// start of a machine is not counted, as nothing but a clock that may be wrong tells of it.
///
/// The age of a new POD is the moment of its making, so that the two agree while the clock is right. Nothing relies on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Age(pub i64);

/// Both times, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// What the system's clock says.
    pub wall: Timestamp,
    /// How old the POD is.
    pub age: Age,
}

/// A start of the machine, and how old the POD was then: what makes its age go on from one manager to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Which start.
    pub id: uuid::Uuid,
    /// The age of the POD at that moment.
    pub age: Age,
}

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

impl Age {
    /// Older than any POD becomes.
    pub const MAX: Self = Self(i64::MAX);

    /// How long after `earlier` this age is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl ops::Add<Millis> for Age {
    type Output = Self;
    fn add(self, duration: Millis) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.0).unwrap_or(i64::MAX)))
    }
}

impl ops::Sub<Millis> for Age {
    type Output = Self;
    fn sub(self, duration: Millis) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.0).unwrap_or(i64::MAX)))
    }
}

impl Now {
    /// How far the system's clock is ahead of the age. It changes when that clock is set.
    pub(crate) fn ahead(self) -> i64 {
        self.wall.0.saturating_sub(self.age.0)
    }

    /// The moment of an age, by the clock as it is now.
    #[must_use]
    pub fn moment_of(self, age: Age) -> Timestamp {
        Timestamp(age.0.saturating_add(self.ahead()))
    }

    /// The age at a moment that is not long ago, by the clock as it is now.
    #[must_use]
    pub fn age_at(self, moment: Timestamp) -> Age {
        Age(moment.0.saturating_sub(self.ahead())).min(self.age)
    }
}

impl From<Timestamp> for Now {
    /// By a clock that was never set.
    fn from(moment: Timestamp) -> Self {
        Self { wall: moment, age: Age(moment.0) }
    }
}

impl From<Age> for Now {
    /// By a clock that was never set.
    fn from(age: Age) -> Self {
        Timestamp(age.0).into()
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

impl From<SystemTime> for Timestamp {
    /// `SystemTime::now().into()` is this moment: nothing in this crate's plain data reads a clock.
    fn from(moment: SystemTime) -> Self {
        let after = moment.duration_since(SystemTime::UNIX_EPOCH);
        Self(match after {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |before| -before),
        })
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

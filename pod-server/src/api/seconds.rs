//! Durations as JSON numbers of seconds, with milliseconds behind the point where needed.

use pod_core::domain::Millis;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The longest duration that a request may name: a year.
const MAX_SECONDS: f64 = 366.0 * 24.0 * 3600.0;

/// A duration of more than nothing, as seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Millis);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = self.0.0;
        if ms.is_multiple_of(1000) {
            serializer.serialize_u64(ms / 1000)
        } else {
            serializer.serialize_f64(Millis(ms).as_duration().as_secs_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if !(0.001..=MAX_SECONDS).contains(&seconds) {
            return Err(D::Error::custom(format!("{seconds} is not a time in seconds above 0 and up to a year")));
        }
        Ok(Self(std::time::Duration::from_secs_f64(seconds).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_go_both_ways() {
        for (text, ms) in [("5", 5000), ("1.5", 1500), ("0.001", 1)] {
            let read: Seconds = serde_json::from_str(text).unwrap();
            assert_eq!(read, Seconds(Millis(ms)));
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        for text in ["0", "-1", "1e300", "\"5\"", "true"] {
            assert!(serde_json::from_str::<Seconds>(text).is_err(), "{text}");
        }
    }
}

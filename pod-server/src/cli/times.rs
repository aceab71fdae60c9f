//! Moments and durations as people read and write them.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use pod_core::domain::Millis;

/// How long ago a moment was: `12 s ago`.
pub(crate) fn ago(moment: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(moment, now))
}

/// How long it was from one moment to another, to the second once it is more than that.
pub(crate) fn span(from: Timestamp, to: Timestamp) -> String {
    Millis(u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)).to_string()
}

/// Reads a duration: `90`, `90s`, `5m`, `2h`, `1d`, `250ms`, or several of them, `1h30m`. Seconds where no unit is given.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("{text:?} is not a duration; write it like 30s, 5m, 2h or 1h30m");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(refuse());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| refuse())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let millis = match &rest[..letters] {
            "ms" => 1,
            "" | "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(refuse()),
        };
        rest = &rest[letters..];
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(refuse)?;
        total = total.checked_add(part).ok_or_else(refuse)?;
    }
    Ok(total)
}

/// Reads a moment: so long ago (`2h`), an RFC 3339 time, or a day or time of this machine's zone.
pub(crate) fn parse_moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(ago) = parse_duration(text) {
        return Timestamp::now().checked_sub(ago).map_err(|_| format!("{text} ago is before all time"));
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let local = text.parse::<jiff::civil::DateTime>().and_then(|time| time.to_zoned(TimeZone::system()));
    local
        .map(|local| local.timestamp())
        .map_err(|_| format!("{text:?} is not a time; write so long ago, like 2h, or a time, like 2026-11-24T14:05"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let exact: Timestamp = "2026-11-24T14:05:00Z".parse().unwrap();
        assert_eq!(parse_moment("2026-11-24T15:05:00+01:00"), Ok(exact));
        assert_eq!(parse_moment("2026-11-24T14:05Z"), Ok(exact));
        let local = |text: &str| text.parse::<jiff::civil::DateTime>().unwrap().to_zoned(TimeZone::system()).unwrap();
        for text in ["2026-11-24T14:05", "2026-11-24 14:05:30"] {
            assert_eq!(parse_moment(text), Ok(local(text).timestamp()), "{text}");
        }
        assert_eq!(parse_moment("2026-11-24"), Ok(local("2026-11-24T00:00").timestamp()));
        let before = Timestamp::now();
        let ago = parse_moment("1h").unwrap();
        assert!(ago >= before - jiff::Span::new().hours(1) && ago < Timestamp::now());
        for text in ["", "soon", "2026-13-01", "24.11.2026"] {
            assert!(parse_moment(text).unwrap_err().contains("is not a time"), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        let cases = [("90", 90_000), ("90s", 90_000), ("5m", 300_000), ("1h30m", 5_400_000), ("250ms", 250), ("0", 0)];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "m", "-5s", "5 parsecs", "1.5h", "99999999999999999999d", "18446744073709551615d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}

//! Durations and sizes as people write them: `30s`, `7d`, `1h30m`, `64MiB`.

use pod_core::domain::Millis;

/// A year: longer settings are mistakes.
const MAX_DURATION_MILLIS: u64 = 366 * 24 * 3600 * 1000;

/// Understands `250ms`, `30s`, `15m`, `2h`, `7d`, and sums such as `1h30m`. A bare number needs its unit.
pub(super) fn parse_duration(text: &str) -> Result<Millis, String> {
    let malformed =
        || format!("is not a duration; write a number and ms, s, m, h or d, for example 30s or 7d, not {text:?}");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(malformed());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
        let number: u64 = rest[..digits].parse().map_err(|_| malformed())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60 * 1000,
            "h" => 3600 * 1000,
            "d" => 24 * 3600 * 1000,
            _ => return Err(malformed()),
        };
        rest = &rest[letters..];
        total = number.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or_else(malformed)?;
    }
    if total > MAX_DURATION_MILLIS {
        return Err(format!("is longer than a year: {text:?}"));
    }
    Ok(Millis(total))
}

/// Understands `1048576`, `64KiB`, `64MiB`, `1GiB` (and `K`, `M`, `G` for the same).
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let malformed = || format!("is not a size; write a number of bytes, or one with KiB, MiB or GiB, not {text:?}");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| malformed())?;
    let unit: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return Err(malformed()),
    };
    number.checked_mul(unit).ok_or_else(malformed)
}

/// Writes a duration the way [`parse_duration`] reads it, in its largest whole unit.
pub(super) fn show_duration(duration: Millis) -> String {
    let ms = duration.0;
    for (unit, name) in [(24 * 3600 * 1000, "d"), (3600 * 1000, "h"), (60 * 1000, "m"), (1000, "s")] {
        if ms > 0 && ms.is_multiple_of(unit) {
            return format!("{}{name}", ms / unit);
        }
    }
    format!("{ms}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_written() {
        for (text, ms) in
            [("250ms", 250), ("30s", 30_000), ("15m", 900_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Millis(ms)), "{text}");
        }
        for text in ["", "7", "d", "7 days", "-1s", "1.5h", "99999999999999999999s", "400d", "1s2"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for ms in [0, 1, 999, 1000, 90_000, 5_400_000, 604_800_000] {
            assert_eq!(parse_duration(&show_duration(Millis(ms))), Ok(Millis(ms)));
        }
    }

    #[test]
    fn sizes_are_read_as_written() {
        for (text, bytes) in [("0", 0), ("100", 100), ("64KiB", 65_536), ("64 MiB", 64 << 20), ("1G", 1 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1.5M", "-1", "1TB", "99999999999999999999"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}

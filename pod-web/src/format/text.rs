//! Times, sizes and numbers as text.

use pod_core::domain::Timestamp;

/// A moment as seen from `now`: `just now`, `3 min ago`, `in 20 s`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = (now.0 - at.0) / 1000;
    let span = |seconds: i64| match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    };
    match seconds {
        -1..2 => "just now".to_owned(),
        2.. => format!("{} ago", span(seconds)),
        _ => format!("in {}", span(-seconds)),
    }
}

/// The exact moment, in UTC: `2026-11-24 12:03:11.042 UTC`.
pub(crate) fn exact(at: Timestamp) -> String {
    at.to_rfc3339().replace('T', " ").replace('Z', " UTC")
}

/// The time within its day, in UTC: `12:03:11.042`.
pub(crate) fn time_of_day(at: Timestamp) -> String {
    at.to_rfc3339().split_once('T').map_or_else(String::new, |(_, time)| time.trim_end_matches('Z').to_owned())
}

/// A size: `512 B`, `12.4 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    bytesize::ByteSize(count).to_string()
}

/// A number with a thin gap between thousands: `8,412`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The address of an activity's page. `new` is the address of the form, so the activity of that name is spelled out.
pub(crate) fn activity_address(name: &str) -> String {
    if name == "new" {
        return "/activities/%6Eew".to_owned();
    }
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("/activities/{name}")
}

/// At most so many characters of a text, on one line.
pub(crate) fn beginning(text: &str, length: usize) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut beginning: String = chars.by_ref().take(length).collect();
    if chars.next().is_some() {
        beginning.push('…');
    }
    beginning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_from_now() {
        let now = Timestamp(1_000_000_000);
        for (ago, expected) in [
            (0, "just now"),
            (1_999, "just now"),
            (2_000, "2 s ago"),
            (59_999, "59 s ago"),
            (60_000, "1 min ago"),
            (3_600_000, "1 h ago"),
            (90_000_000, "1 d ago"),
            (-1_000, "just now"),
            (-20_000, "in 20 s"),
        ] {
            assert_eq!(relative(Timestamp(now.0 - ago), now), expected);
        }
        assert_eq!(exact(Timestamp(0)), "1970-01-01 00:00:00.000 UTC");
    }

    #[test]
    fn sizes_and_numbers_are_short() {
        for (count, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (13_002_342, "12.4 MiB"), (1 << 40, "1.0 TiB")]
        {
            assert_eq!(bytes(count), expected);
        }
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), expected);
        }
    }
}

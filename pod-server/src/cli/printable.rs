//! Strips control characters from POD's own messages: they could move a terminal's cursor, change its colours or reverse
//! its text. The output of programs stays as it is.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Text on one line, with everything in it that acts upon a terminal shown as an escape: `\x1b`, `\u{202e}`.
pub(crate) fn printable(text: &str) -> String {
    escaped(text, |c, out| match c {
        '\n' => out.push('␤'),
        c => out.push_str(&escape_sequence(c)),
    })
}

/// A sentence for people. What has several lines, such as the last words of a script, keeps them; the others are
/// indented, so that none can pass for a sentence of ours.
pub(crate) fn sentence(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(printable).collect();
    lines.join("\n  ")
}

/// JSON, in which all that is dangerous stands in strings: it is escaped there and means the same.
pub(crate) fn json(text: &str) -> String {
    escaped(text, |c, out| match c {
        '\n' | '\t' => out.push(c),
        c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
    })
}

/// How many columns of a terminal it takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Pads text with spaces to a number of columns.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Truncates text to a number of columns, with a mark if something is cut.
pub(crate) fn fitting(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let takes = c.width().unwrap_or(0);
        let fits = takes <= left;
        left = left.saturating_sub(takes);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

fn escaped(text: &str, mut escape: impl FnMut(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { escape(c, &mut out) } else { out.push(c) }
    }
    out
}

/// Whether a terminal does something else with it than to show it: control characters of both sets, what changes the
/// direction of text, and what ends a line or a paragraph.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape_sequence(c: char) -> String {
    match u32::from(c) {
        9 => "\\t".to_owned(),
        13 => "\\r".to_owned(),
        code @ 0..=0xff => format!("\\x{code:02x}"),
        code => format!("\\u{{{code:x}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_upon_a_terminal_comes_through() {
        for (text, expected) in [
            ("plain ü 漢字 👍", "plain ü 漢字 👍"),
            ("\x1b[2J\x07", "\\x1b[2J\\x07"),
            ("a\nb\tc\rd\x7f", "a␤b\\tc\\rd\\x7f"),
            ("\u{9b}31m", "\\x9b31m"),
            ("gnp.\u{202e}exe\u{2066}", "gnp.\\u{202e}exe\\u{2066}"),
            ("a\u{2028}b", "a\\u{2028}b"),
        ] {
            assert_eq!(printable(text), expected);
        }
        assert_eq!(sentence("it failed:\npod: all is well\x1b[A\r\n"), "it failed:\n  pod: all is well\\x1b[A");
    }

    #[test]
    fn json_stays_what_it_is() {
        let value = serde_json::json!({"input": "\u{9b}31m \u{202e} \x1b ü\n\u{7f}"});
        let text = json(&value.to_string());
        assert!(text.chars().all(|c| !acts(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
    }

    #[test]
    fn width_is_counted_in_columns() {
        assert_eq!(width("漢字ab"), 6);
        assert_eq!(fitting("漢字漢字", 8), "漢字漢字");
        assert_eq!(fitting("漢字漢字", 6), "漢字…");
        assert_eq!(fitting("abcdef", 4), "abc…");
    }
}

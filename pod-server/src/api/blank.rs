//! Recognises text without a visible character. As a filter it would look like no filter and still be one.

use unicode_width::UnicodeWidthChar;

/// Whether nothing of a text can be seen: it is empty, or of spaces of any kind, of characters without a width, and of
/// those that act instead of showing.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        let is_invisible = matches!(c, '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}');
        c.is_whitespace() || is_invisible || c.width().unwrap_or(0) == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_of_every_kind_are_blank() {
        for blank in [
            "",
            " ",
            "\t\r\n",
            "\0",
            "\u{a0}",
            "\u{85}",
            "\u{ad}",
            "\u{180e}",
            "\u{2003}\u{3000}",
            "\u{200b}\u{200d}\u{2060}",
            "\u{202e}",
            "\u{feff}",
            "\u{2800}",
            "\u{3164}",
        ] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in ["a", " a ", "0", "-", "ü", "漢", "\u{200b}x"] {
            assert!(!is_blank(seen), "{seen:?}");
        }
    }
}

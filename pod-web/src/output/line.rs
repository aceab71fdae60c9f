//! One line, as a terminal would show it: a carriage return writes over what is there, colours are kept, every other
//! escape sequence and control character is left out. Bytes that are not UTF-8 show as `�`.

use vte::{Params, Parser, Perform};

use super::style::Style;

/// The columns that a line can reach by cursor movement alone.
const MAX_COLUMNS: usize = 1 << 10;

/// Writes a line as HTML; returns the style that the next one begins with.
pub(super) fn render(bytes: &[u8], style: Style, html: &mut String) -> Style {
    let mut screen = Screen { cells: Vec::with_capacity(bytes.len()), cursor: 0, style };
    let mut parser = Parser::new();
    parser.advance(&mut screen, bytes);
    // Where a character was cut in the middle, so that what is left of it shows.
    parser.advance(&mut screen, b"\0");
    screen.write(html);
    screen.style
}

struct Screen {
    cells: Vec<(char, Style)>,
    cursor: usize,
    style: Style,
}

impl Screen {
    fn write(&self, html: &mut String) {
        let mut open = Style::default();
        for (character, style) in &self.cells {
            if *style != open {
                if open != Style::default() {
                    html.push_str("</span>");
                }
                if *style != Style::default() {
                    html.push_str("<span class=\"");
                    html.push_str(&style.classes());
                    html.push_str("\">");
                }
                open = *style;
            }
            match character {
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '&' => html.push_str("&amp;"),
                '"' => html.push_str("&quot;"),
                // They would let a program write over, or hide, what stands beside its text.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                    html.push('\u{fffd}');
                }
                other => html.push(*other),
            }
        }
        if open != Style::default() {
            html.push_str("</span>");
        }
    }
}

impl Perform for Screen {
    fn print(&mut self, character: char) {
        // A control character, though the parser has it printed.
        if character == '\u{7f}' {
            return;
        }
        while self.cells.len() < self.cursor {
            self.cells.push((' ', Style::default()));
        }
        let cell = (character, self.style);
        match self.cells.get_mut(self.cursor) {
            Some(known) => *known = cell,
            None => self.cells.push(cell),
        }
        self.cursor += 1;
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\t' => self.print('\t'),
            b'\r' => self.cursor = 0,
            0x08 => self.cursor = self.cursor.saturating_sub(1),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignored: bool, action: char) {
        if ignored || !intermediates.is_empty() {
            return;
        }
        let first = params.iter().next().and_then(|param| param.first().copied()).unwrap_or(0);
        let steps = usize::from(first.max(1));
        match (action, first) {
            ('m', _) => self.style.select(params),
            ('K', 0) => self.cells.truncate(self.cursor),
            ('K', 1) => {
                let end = self.cursor.min(self.cells.len());
                self.cells[..end].fill((' ', Style::default()));
            }
            ('K', 2) => self.cells.clear(),
            ('G', _) => self.cursor = (steps - 1).min(MAX_COLUMNS),
            ('C', _) => self.cursor = (self.cursor + steps).min(MAX_COLUMNS.max(self.cursor)),
            ('D', _) => self.cursor = self.cursor.saturating_sub(steps),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(bytes: &[u8]) -> String {
        let mut html = String::new();
        render(bytes, Style::default(), &mut html);
        html
    }

    #[test]
    fn a_line_looks_as_on_a_terminal() {
        for (bytes, expected) in [
            (&b"plain"[..], "plain"),
            (b"<script>alert(\"1\")</script>&amp;", "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;"),
            (b"10%\r20%\r100%", "100%"),
            (b"12345\rab", "ab345"),
            (b"12345\r\x1b[Kab", "ab"),
            (b"crlf\r", "crlf"),
            (b"\x1b[31mred\x1b[0m plain", "<span class=\"f1\">red</span> plain"),
            (b"\x1b[1;32mok\x1b[m", "<span class=\"t-b f2\">ok</span>"),
            (b"\x1b[38;5;196mx\x1b[39my", "<span class=\"f9\">x</span>y"),
            (b"\x1b]0;title\x07\x1b[2J\x1b[?25lx\x1b(B", "x"),
            (b"a\x08b\x00\x07", "b"),
            (b"bad \xff\xfe end \xc3", "bad \u{fffd}\u{fffd} end \u{fffd}"),
            ("ä€😀".as_bytes(), "ä€😀"),
            ("a\u{202e}b".as_bytes(), "a\u{fffd}b"),
            (b"a\tb", "a\tb"),
            (b"a\x7fb", "ab"),
            (b"\x1b[99999999Cx", &format!("{}x", " ".repeat(MAX_COLUMNS))),
        ] {
            assert_eq!(html(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_colour_lasts_into_the_next_line() {
        let mut text = String::new();
        let style = render(b"\x1b[31mone", Style::default(), &mut text);
        text.clear();
        render(b"two", style, &mut text);
        assert_eq!(text, "<span class=\"f1\">two</span>");
    }
}

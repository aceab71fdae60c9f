//! Renders chunks of both streams as numbered rows. A complete line is a row; an incomplete one is shown below, and again
//! when more comes. A line that is too long for one row continues in further ones.

use std::fmt::Write;

use bytes::Bytes;
use pod_core::domain::{AttemptNo, Gap, Stream, Timestamp};

use super::{
    line,
    place::{Place, Point, index},
    style::Style,
};
use crate::format;

/// The longest row, in bytes as printed.
pub(super) const MAX_ROW_LEN: usize = 16 << 10;

/// Makes rows of what it is given.
#[derive(Debug)]
pub(crate) struct Rows {
    place: Place,
    /// What was printed of the line that has not ended, per stream.
    pending: [Vec<u8>; 2],
    /// When the first byte of that came.
    came: [Option<Timestamp>; 2],
    html: String,
    count: u64,
    /// Whether rows show when they came. They have it as a number in any case, for the script of the page.
    times: bool,
}

impl Rows {
    /// Goes on at a place.
    pub(crate) fn at(place: Place) -> Self {
        let pending = [Vec::new(), Vec::new()];
        Self { place, pending, came: [None; 2], html: String::new(), count: 0, times: false }
    }

    /// Shows when each line came.
    pub(crate) fn with_times(mut self, times: bool) -> Self {
        self.times = times;
        self
    }

    /// Where one goes on after the rows that were made: at the beginning of what has not ended.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The rows made since it was last asked, and how many lines they hold.
    pub(crate) fn take(&mut self) -> (String, u64) {
        (std::mem::take(&mut self.html), std::mem::take(&mut self.count))
    }

    /// Takes a piece of a stream, and when it came.
    pub(crate) fn push(&mut self, stream: Stream, bytes: &Bytes, came: Option<Timestamp>) {
        let at = index(stream);
        let mut rest: &[u8] = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            if self.pending[at].is_empty() {
                self.came[at] = came;
            }
            self.pending[at].extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            self.end_line(stream, 1);
        }
        if self.pending[at].is_empty() {
            self.came[at] = came;
        }
        self.pending[at].extend_from_slice(rest);
        while self.pending[at].len() > MAX_ROW_LEN {
            self.shorten(stream);
        }
    }

    /// Steps over what is missing.
    pub(crate) fn gap(&mut self, stream: Stream, gap: Gap) {
        self.end_line(stream, 0);
        let size = format::bytes(gap.end.saturating_sub(gap.start));
        let _ = writeln!(
            self.html,
            r#"<p class="cut">{size} of {} are not kept here: the limit for the output of one attempt was reached, and its beginning and end are kept.</p>"#,
            stream.as_str()
        );
        *self.place.of_mut(stream) = Point { offset: gap.end, ..Point::default() };
    }

    /// Says which attempt prints, where the place did not know.
    pub(crate) fn of_attempt(&mut self, attempt: AttemptNo) {
        self.place.attempt = attempt;
    }

    /// Goes on with the output of another attempt.
    pub(crate) fn next_attempt(&mut self, attempt: AttemptNo) {
        self.end();
        let _ = writeln!(self.html, r#"<p class="cut">Attempt {attempt} begins.</p>"#);
        let point = |point: &Point| Point {
            offset: if point.offset == i64::MAX as u64 { point.offset } else { 0 },
            ..Point::default()
        };
        let points = [point(&self.place.points[0]), point(&self.place.points[1])];
        self.place = Place { attempt, line: self.place.line, points };
    }

    /// Nothing more will come: what has no line end is the last line.
    pub(crate) fn end(&mut self) {
        for stream in Stream::BOTH {
            self.end_line(stream, 0);
        }
    }

    /// What has not ended, as rows.
    pub(crate) fn unfinished(&self) -> String {
        let mut html = String::new();
        for stream in Stream::BOTH {
            let (bytes, point) = (&self.pending[index(stream)], self.place.points[index(stream)]);
            if !bytes.is_empty() {
                let came = (self.came[index(stream)], self.times);
                row(&mut html, (stream, self.place.line), came, point, bytes, "p");
            }
        }
        html
    }

    /// Makes rows of what is pending; `line_end` is how many bytes its end takes.
    fn end_line(&mut self, stream: Stream, line_end: usize) {
        let at = index(stream);
        if self.pending[at].is_empty() && line_end == 0 {
            return;
        }
        while self.pending[at].len() > MAX_ROW_LEN {
            self.shorten(stream);
        }
        let bytes = std::mem::take(&mut self.pending[at]);
        if !(bytes.is_empty() && self.place.points[at].within) {
            self.emit(stream, &bytes);
        }
        let point = self.place.of_mut(stream);
        point.offset += line_end as u64;
        point.within = false;
        // The room is used again.
        self.pending[at] = bytes;
        self.pending[at].clear();
    }

    /// Makes what is pending shorter: by what a carriage return has written over, else by a row.
    fn shorten(&mut self, stream: Stream) {
        let at = index(stream);
        let mut returns = memchr::memrchr_iter(b'\r', &self.pending[at]);
        let over = returns.nth(1);
        if let Some(over) = over {
            let (point, dropped) = (&mut self.place.points[at], &self.pending[at][..=over]);
            point.style = line::render(dropped, point.style, &mut String::new());
            point.offset += dropped.len() as u64;
            self.pending[at].drain(..=over);
            return;
        }
        let bytes = std::mem::take(&mut self.pending[at]);
        let cut = cut(&bytes);
        self.emit(stream, &bytes[..cut]);
        self.place.of_mut(stream).within = true;
        self.pending[at] = bytes[cut..].to_vec();
    }

    fn emit(&mut self, stream: Stream, bytes: &[u8]) {
        let point = self.place.points[index(stream)];
        let number = if point.within { self.place.line.saturating_sub(1) } else { self.place.line };
        let came = (self.came[index(stream)], self.times);
        let style = row(&mut self.html, (stream, number), came, point, bytes, "");
        if !point.within {
            self.place.line += 1;
            self.count += 1;
        }
        let point = self.place.of_mut(stream);
        point.style = style;
        point.offset += bytes.len() as u64;
    }
}

/// Where to cut a line that is too long: not within a character, nor within an escape sequence.
fn cut(bytes: &[u8]) -> usize {
    let mut cut = MAX_ROW_LEN.min(bytes.len());
    if let Some(escape) = memchr::memrchr(0x1b, &bytes[cut.saturating_sub(32)..cut]) {
        cut = cut.saturating_sub(32) + escape;
    }
    let within = bytes[..cut].iter().rev().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    let whole = cut - within;
    if within > 0 && whole > 1 && bytes[whole - 1] >= 0xc0 { (whole - 1).max(1) } else { cut.max(1) }
}

fn row(
    html: &mut String,
    (stream, number): (Stream, u64),
    (came, shows_time): (Option<Timestamp>, bool),
    point: Point,
    bytes: &[u8],
    kind: &str,
) -> Style {
    let error = if stream == Stream::Stderr { " e" } else { "" };
    let kind = if kind.is_empty() { "" } else { " p" };
    let data = came.map_or_else(String::new, |came| format!(r#" data-t="{}""#, came.0));
    let time = match came {
        Some(came) if shows_time => format!(r#"<span class="t">{}</span>"#, format::time_of_day(came)),
        None if shows_time => r#"<span class="t"></span>"#.to_owned(),
        _ => String::new(),
    };
    if point.within {
        let _ = write!(html, r#"<div class="l c{error}{kind}" data-n="{number}"><b></b><code>"#);
    } else if kind.is_empty() {
        let _ = write!(
            html,
            r##"<div class="l{error}" id="out-{number}" data-n="{number}"{data}><a href="#out-{number}">{number}</a>{time}<code>"##
        );
    } else {
        let _ = write!(html, r#"<div class="l{error}{kind}" data-n="{number}"{data}><b>{number}</b>{time}<code>"#);
    }
    if stream == Stream::Stderr && !point.within {
        html.push_str(r#"<i>stderr: </i>"#);
    }
    let style = line::render(bytes, point.style, html);
    html.push_str("</code></div>\n");
    style
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::View;

    fn rows() -> Rows {
        Rows::at(Place::start(AttemptNo(1), View::Merged))
    }

    /// The text of rows, each behind its number.
    fn text(html: &str) -> Vec<String> {
        let rows = html.lines().filter_map(|row| {
            let number = row.split("data-n=\"").nth(1)?.split('"').next()?;
            let code = row.split("<code>").nth(1)?.strip_suffix("</code></div>")?;
            Some(format!("{number} {code}"))
        });
        rows.collect()
    }

    #[test]
    fn a_line_is_a_row_when_its_end_is_there() {
        let mut rows = rows();
        rows.push(Stream::Stdout, &Bytes::from_static(b"one\ntw"), None);
        rows.push(Stream::Stderr, &Bytes::from_static(b"wrong\n"), None);
        rows.push(Stream::Stdout, &Bytes::from_static(b"o\nrest"), None);
        let (html, count) = rows.take();
        assert_eq!(text(&html), ["1 one", "2 <i>stderr: </i>wrong", "3 two"]);
        assert_eq!(count, 3);
        assert_eq!(text(&rows.unfinished()), ["4 rest"]);
        assert_eq!(rows.place().position().stdout, 8, "the rest is asked for again");
        rows.end();
        assert_eq!(text(&rows.take().0), ["4 rest"]);
        assert_eq!(rows.unfinished(), "");
    }

    #[test]
    fn going_on_at_any_place_gives_the_same_rows() {
        let long = "x".repeat(MAX_ROW_LEN * 3 + 5);
        let all = format!("a\n\x1b[31mb\nc{long}\n\n\x1b[0mlast\nä€\n{long}");
        let whole = {
            let mut rows = rows();
            rows.push(Stream::Stdout, &Bytes::from(all.clone()), None);
            rows.end();
            rows.take().0
        };
        for size in [1, 7, 4096, MAX_ROW_LEN, MAX_ROW_LEN + 1, 1 << 17] {
            let mut pieces = String::new();
            let mut rows = rows();
            while let Some(rest) = all.as_bytes().get(rows.place().points[0].offset as usize + rows.pending[0].len()..)
            {
                if rest.is_empty() {
                    break;
                }
                rows.push(Stream::Stdout, &Bytes::copy_from_slice(&rest[..size.min(rest.len())]), None);
                let (html, _) = rows.take();
                if !html.is_empty() {
                    pieces.push_str(&html);
                    // As a page that lost its connection does.
                    rows = Rows::at(rows.place().to_string().parse().unwrap());
                }
            }
            rows.end();
            pieces.push_str(&rows.take().0);
            assert_eq!(pieces, whole, "in pieces of {size}");
        }
    }

    #[test]
    fn a_progress_bar_stays_one_line_however_long_it_goes_on() {
        let mut rows = rows();
        for step in 0..100_000 {
            rows.push(Stream::Stdout, &Bytes::from(format!("\r{step} of 100000")), None);
        }
        assert_eq!(rows.take().1, 0);
        assert!(rows.pending[0].len() <= MAX_ROW_LEN + 64);
        rows.push(Stream::Stdout, &Bytes::from_static(b"\n"), None);
        assert_eq!(text(&rows.take().0), ["1 99999 of 100000"]);
    }

    #[test]
    fn a_row_tells_when_its_line_began() {
        let (early, late) = (Some(Timestamp(5)), Some(Timestamp(1_764_000_000_123)));
        let mut rows = rows().with_times(true);
        rows.push(Stream::Stdout, &Bytes::from_static(b"one\ntw"), late);
        rows.push(Stream::Stderr, &Bytes::from_static(b"x\n"), early);
        rows.push(Stream::Stdout, &Bytes::from_static(b"o\nthree\n"), early);
        rows.push(Stream::Stdout, &Bytes::from_static(b"four\n"), None);
        let (html, _) = rows.take();
        let times: Vec<Option<&str>> =
            html.lines().map(|row| Some(row.split_once("data-t=\"")?.1.split_once('"')?.0)).collect();
        assert_eq!(times, [Some("1764000000123"), Some("5"), Some("1764000000123"), Some("5"), None]);
        assert!(html.contains("<span class=\"t\">16:00:00.123</span><code>one</code>"), "{html}");
        assert!(html.contains("<span class=\"t\"></span><code>four</code>"), "{html}");
    }

    #[test]
    fn what_is_missing_is_told() {
        let mut rows = rows();
        rows.push(Stream::Stdout, &Bytes::from_static(b"beginning"), None);
        rows.gap(Stream::Stdout, Gap { start: 9, end: 9 + 3 * 1024 * 1024 });
        rows.push(Stream::Stdout, &Bytes::from_static(b"end\n"), None);
        let (html, _) = rows.take();
        assert_eq!(text(&html), ["1 beginning", "2 end"]);
        assert!(html.contains("3.0 MiB of stdout are not kept here"), "{html}");
    }
}

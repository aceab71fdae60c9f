//! A place in the output: where one goes on, with the number of the next line and the colours that reach into it. As
//! text it is the id of an event, so that a page that lost its connection misses nothing and repeats nothing.

use std::{fmt, str::FromStr};

use pod_core::{
    OutputPosition,
    domain::{AttemptNo, Stream},
};

use super::style::Style;

/// Which streams are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum View {
    /// Both, in the order in which they came.
    #[default]
    Merged,
    /// One of them.
    Only(Stream),
}

impl View {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Merged, Self::Only(Stream::Stdout), Self::Only(Stream::Stderr)];

    /// Its word in addresses.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Merged => "merged",
            Self::Only(stream) => stream.as_str(),
        }
    }

    /// The view of that word; both where there is none.
    pub(crate) fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|view| view.as_str() == word).unwrap_or_default()
    }

    /// Whether this stream is part of it.
    pub(crate) fn shows(self, stream: Stream) -> bool {
        match self {
            Self::Merged => true,
            Self::Only(only) => only == stream,
        }
    }
}

/// Where the reading of one stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// The next byte.
    pub(crate) offset: u64,
    /// It lies within a line whose beginning was shown, and counted.
    pub(crate) within: bool,
    /// The colours there.
    pub(crate) style: Style,
}

/// A place in the output of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The attempt; 0 for the latest.
    pub(crate) attempt: AttemptNo,
    /// The number of the next line.
    pub(crate) line: u64,
    /// Both streams, stdout first.
    pub(crate) points: [Point; 2],
}

/// Of a stream that is not shown, everything is taken to be read.
const PAST: u64 = i64::MAX as u64;

impl Place {
    /// The beginning of an attempt's output.
    pub(crate) fn start(attempt: AttemptNo, view: View) -> Self {
        let point = |stream| Point { offset: if view.shows(stream) { 0 } else { PAST }, ..Point::default() };
        Self { attempt, line: 1, points: Stream::BOTH.map(point) }
    }

    /// Where a follower begins.
    pub(crate) fn position(&self) -> OutputPosition {
        OutputPosition { attempt: self.attempt, stdout: self.points[0].offset, stderr: self.points[1].offset }
    }

    /// The point of a stream.
    pub(crate) fn of_mut(&mut self, stream: Stream) -> &mut Point {
        &mut self.points[index(stream)]
    }
}

/// Where a stream stands among both.
pub(super) const fn index(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.attempt, self.line)?;
        for Point { offset, within, style } in &self.points {
            write!(f, ".{offset}.{:x}", style.code() << 1 | u32::from(*within))?;
        }
        Ok(())
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        fn number(text: Option<&str>) -> Result<u64, ()> {
            text.and_then(|text| text.parse().ok()).filter(|number| *number <= PAST).ok_or(())
        }
        let mut parts = text.split('.');
        let attempt = AttemptNo(u32::try_from(number(parts.next())?).map_err(|_| ())?);
        let line = number(parts.next())?.max(1);
        let mut point = || {
            let offset = number(parts.next())?;
            let code = parts.next().and_then(|code| u32::from_str_radix(code, 16).ok()).ok_or(())?;
            Ok(Point { offset, within: code & 1 == 1, style: Style::from_code(code >> 1) })
        };
        let points = [point()?, point()?];
        if parts.next().is_some() {
            return Err(());
        }
        Ok(Self { attempt, line, points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back() {
        let style = Style::from_code(0x05_03_00);
        let points = [Point { offset: 17, within: true, style }, Point { offset: PAST, ..Point::default() }];
        let place = Place { attempt: AttemptNo(2), line: 41, points };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in
            ["", "1", "1.2.3.4.5", "1.2.3.4.5.6.7", "1.2.x.0.0.0", "-1.1.0.0.0.0", "1.1.18446744073709551615.0.0.0"]
        {
            assert_eq!(text.parse::<Place>(), Err(()), "{text}");
        }
    }
}

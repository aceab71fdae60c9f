//! The last things that happened in a run, for whoever looks into a violation.

use std::{
    collections::VecDeque,
    fmt::{self, Debug, Write},
};

/// How many things are kept, and how much of each.
const LENGTH: usize = 300;

/// The last things that happened.
#[derive(Debug)]
pub(super) struct History {
    lines: VecDeque<String>,
    kept: usize,
}

impl History {
    /// That keeps so many things.
    pub(super) fn new(kept: usize) -> Self {
        Self { lines: VecDeque::new(), kept }
    }

    pub(super) fn note(&mut self, now: i64, what: &dyn Debug) {
        // Lines are used again: there are very many, and nearly nobody reads them.
        let mut line =
            if self.lines.len() < self.kept { String::new() } else { self.lines.pop_front().unwrap_or_default() };
        line.clear();
        let _ = write!(Short(&mut line), "{now:>9} {what:?}");
        self.lines.push_back(line);
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Takes so much, and then ends the writing: a frame may hold a great deal of output.
struct Short<'a>(&'a mut String);

impl Write for Short<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LENGTH.saturating_sub(self.0.len());
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if self.0.len() < LENGTH { Ok(()) } else { Err(fmt::Error) }
    }
}

//! Concurrent edits: the second editor sees what the first saved, and decides.

use super::script_diff::{DiffLine, diff};

/// What somebody else saved since a form was opened.
#[derive(Debug)]
pub(crate) struct Conflict {
    /// What was changed.
    pub(crate) name: String,
    /// What it is now, as text.
    pub(crate) theirs: String,
    /// From that to what was typed.
    pub(crate) lines: Vec<DiffLine>,
}

impl Conflict {
    /// Of what is there and what was typed, both as text.
    pub(crate) fn of(name: &str, theirs: String, yours: &str) -> Self {
        let lines = diff(&theirs, yours);
        Self { name: name.to_owned(), theirs, lines }
    }
}

/// Settings as lines of text, those that are not made left out.
pub(crate) fn as_text(settings: &[(&str, &str)]) -> String {
    let made = settings.iter().filter(|(_, value)| !value.is_empty());
    made.map(|(name, value)| format!("{name}: {value}\n")).collect()
}

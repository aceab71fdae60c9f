//! What a new revision of a script changes, line by line.

use similar::{ChangeTag, TextDiff};

/// Above this many bytes scripts are not compared: what a person reads is shorter.
const LONGEST: usize = 200 << 10;

/// One line of the comparison.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DiffLine {
    /// `+`, `-`, a blank, or `…` where equal lines are left out.
    pub(crate) mark: char,
    pub(crate) text: String,
}

/// The changed lines with three around them; nothing where the scripts are equal or too long.
pub(crate) fn diff(old: &str, new: &str) -> Vec<DiffLine> {
    if old == new || old.len().max(new.len()) > LONGEST {
        return Vec::new();
    }
    let diff = TextDiff::from_lines(old, new);
    let mut lines = Vec::new();
    for (at, group) in diff.grouped_ops(3).iter().enumerate() {
        if at > 0 {
            lines.push(DiffLine { mark: '…', text: String::new() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(DiffLine { mark, text: change.value().trim_end_matches(['\r', '\n']).to_owned() });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_their_neighbours() {
        let old: String = (0..30).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 2\n", "LINE 2\n").replace("line 25\n", "");
        let lines = diff(&old, &new);
        let marked: Vec<String> =
            lines.iter().filter(|line| line.mark != ' ').map(|line| format!("{}{}", line.mark, line.text)).collect();
        assert_eq!(marked, ["-line 2", "+LINE 2", "…", "-line 25"]);
        assert_eq!(diff("same", "same"), []);
    }
}

//! The difference between two revisions: a script line by line, a directory file by file.

use std::collections::BTreeSet;

use similar::{ChangeTag, TextDiff};

use super::archive::{Directory, File};

/// Above this many bytes scripts are not compared: what a person reads is shorter.
const MAX_SCRIPT_LEN: usize = 200 << 10;

/// One line of the comparison.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DiffLine {
    /// `+`, `-`, a blank, `…` where equal lines are left out, or `#` before what concerns a file.
    pub(crate) mark: char,
    pub(crate) text: String,
}

/// The changed lines with three around them; nothing where the scripts are equal or too long.
pub(crate) fn diff(old: &str, new: &str) -> Vec<DiffLine> {
    if old == new || old.len().max(new.len()) > MAX_SCRIPT_LEN {
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

/// The files that were added, removed or changed, each with its changed lines where it is text.
pub(crate) fn diff_directories(old: &Directory, new: &Directory) -> Vec<DiffLine> {
    let find = |directory: &Directory, path: &str| directory.files.iter().find(|file| file.path == path).cloned();
    let paths: BTreeSet<&str> = old.files.iter().chain(&new.files).map(|file| file.path.as_str()).collect();
    let mut lines = Vec::new();
    for path in paths {
        let (before, after) = (find(old, path), find(new, path));
        let what = match (&before, &after) {
            (Some(before), Some(after)) if before.hash == after.hash => continue,
            (Some(_), Some(_)) => "changed",
            (None, _) => "added",
            (_, None) => "removed",
        };
        let text = |file: Option<&File>| match file {
            None => Some(String::new()),
            Some(file) => file.text.clone(),
        };
        let (before, after) = (text(before.as_ref()), text(after.as_ref()));
        let told = if before.is_some() && after.is_some() { "" } else { ", not shown" };
        lines.push(DiffLine { mark: '#', text: format!("{path}: {what}{told}") });
        if let (Some(before), Some(after)) = (before, after) {
            lines.extend(diff(&before, &after));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::archive::tests::packed;

    #[test]
    fn directories_are_compared_file_by_file() {
        let of = |files: &[(&str, &[u8])]| Directory::of(&packed(files));
        let old = of(&[("main.sh", b"one\ntwo\n"), ("gone", b"x\n"), ("same", b"y"), ("data", b"\0")]);
        let new = of(&[("main.sh", b"one\n2\n"), ("new", b"z\n"), ("same", b"y"), ("data", b"\0\0")]);
        let lines: Vec<String> =
            diff_directories(&old, &new).iter().map(|line| format!("{}{}", line.mark, line.text)).collect();
        let wanted = [
            "#data: changed, not shown",
            "#gone: removed",
            "-x",
            "#main.sh: changed",
            " one",
            "-two",
            "+2",
            "#new: added",
            "+z",
        ];
        assert_eq!(lines, wanted);
        assert_eq!(diff_directories(&old, &old), []);
    }

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

//! Rules about the text of the source.

use std::path::PathBuf;

use crate::{assert_none, files, read, shown};

const LONGEST_FILE: usize = 500;

#[test]
fn no_file_holds_more_than_one_idea() {
    let complaints: Vec<_> = files("", ".rs")
        .iter()
        .map(|path| (shown(path), read(path).lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert_none(&complaints, "a file over 500 lines holds two ideas: give each a file of its own");
}

#[test]
fn nothing_is_left_open_and_no_queue_is_unbounded() {
    // Written in halves, so that this list does not find itself.
    let forbidden = [
        (concat!("unbounded", "_channel"), "every channel is bounded: a slow reader must not fill memory"),
        (concat!("mpsc::", "unbounded"), "every channel is bounded: a slow reader must not fill memory"),
        (concat!("to", "do!("), "finish it, or leave it out"),
        (concat!("unimpl", "emented!("), "finish it, or leave it out"),
        (concat!("#[ig", "nore"), "a test that never runs protects nothing"),
        (concat!("FIX", "ME"), "finish it, or file an issue"),
    ];
    let mut complaints = Vec::new();
    for path in files("", ".rs") {
        for (number, line) in read(&path).lines().enumerate() {
            // The process that a test starts from its own binary is no test, and says so.
            let is_process = line.contains("= \"not a test: ");
            for (word, reason) in forbidden {
                if line.contains(word) && !is_process {
                    complaints.push(format!("{}:{}: {word}: {reason}", shown(&path), number + 1));
                }
            }
        }
    }
    assert_none(&complaints, "these have no place in the source");
}

/// The files of one of the parts of pod-core that decide and do nothing. Its tests may do as they like.
fn pure(part: &str) -> Vec<PathBuf> {
    let mut pure = files(&format!("pod-core/src/{part}"), ".rs");
    pure.retain(|path| !path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs"));
    assert!(!pure.is_empty(), "the {part} is in pod-core/src/{part}");
    pure
}

/// The guard of the transition tables can be walked around by an assignment. That of an activity follows from those of
/// its revisions, and has no table.
#[test]
fn a_status_moves_along_its_table() {
    let raw = |line: &str| line.contains(".status = ") && !line.contains("activity.status = ");
    let mut complaints = Vec::new();
    for path in pure("plan") {
        let text = read(&path);
        let assigned = text.lines().enumerate().filter(|(_, line)| raw(line));
        complaints.extend(assigned.map(|(number, _)| format!("{}:{}", shown(&path), number + 1)));
    }
    assert_none(&complaints, "a status changes by `move_to`, which consults its table");
}

/// Whether a line holds a word, and not only the beginning of a longer one.
fn holds(code: &str, word: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    let is_part = word.ends_with(char::is_alphanumeric);
    code.match_indices(word).any(|(at, _)| !(is_part && goes_on(&code[at + word.len()..])))
}

/// clippy's `disallowed-methods` holds for a whole crate, and the engine beside these parts does need a clock and tasks.
#[test]
fn the_planner_the_manager_and_the_state_of_a_worker_are_pure() {
    let forbidden = [
        ("SystemTime", "`now` is a parameter, so that the simulator owns the clock"),
        ("Instant", "`now` is a parameter, so that the simulator owns the clock"),
        ("thread_rng", "randomness is an input, so that a seed replays a run"),
        ("rand::", "randomness is an input, so that a seed replays a run"),
        ("RandomState", "an order that differs from run to run cannot be replayed"),
        ("tokio::", "it starts nothing and waits for nothing"),
        ("async fn", "it waits for nothing"),
        (".await", "it waits for nothing"),
        ("std::fs", "it does no IO"),
        ("std::net", "it does no IO"),
        ("std::env", "what depends on the machine comes in as a parameter"),
        ("thread::", "it starts nothing"),
        ("Mutex", "one task owns the state; nothing locks it"),
        ("RefCell", "`&mut` says who changes it"),
        ("tracing::", "what is worth telling is an event or an action"),
        ("uuid", "identities come from the state or the input"),
    ];
    let mut complaints = Vec::new();
    for path in ["plan", "manager", "worker/state"].iter().flat_map(|part| pure(part)) {
        let text = read(&path);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (word, reason) in forbidden {
                if holds(code, word) {
                    complaints.push(format!("{}:{}: {word}: {reason}", shown(&path), number + 1));
                }
            }
        }
    }
    assert_none(&complaints, "these parts have no clock, randomness, IO or tasks");
}

#[test]
fn modules_are_named_by_what_they_hold() {
    let vague = ["utils.rs", "util.rs", "helpers.rs", "helper.rs", "common.rs", "misc.rs"];
    let complaints: Vec<_> = files("", ".rs")
        .iter()
        .map(|path| shown(path))
        .filter(|path| vague.iter().any(|name| path.ends_with(&format!("/{name}"))))
        .collect();
    assert_none(&complaints, "a module is named by what it holds, so that it can be found");
}

#[test]
fn every_module_begins_with_what_it_is() {
    let complaints: Vec<_> = files("", ".rs")
        .iter()
        // A module's tests are about that module.
        .filter(|path| !path.ends_with("tests.rs"))
        .filter(|path| {
            let text = read(path);
            !text.trim_start().is_empty() && !text.trim_start().starts_with("//!")
        })
        .map(|path| shown(path))
        .collect();
    assert_none(&complaints, "the first lines of a file say what it does: begin it with //!");
}

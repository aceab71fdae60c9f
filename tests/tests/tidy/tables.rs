//! The transition tables in the documentation are those of the code.

use std::{collections::BTreeSet, fmt::Debug};

use pod_core::domain::{AttemptStatus, ExecutionStatus, InstallationStatus, RevisionStatus, Transitions, WorkerStatus};

use crate::{read, root};

/// The pairs of a code table, as words.
fn in_code<S: Transitions + Debug>() -> BTreeSet<(String, String)> {
    S::TABLE.iter().map(|(from, to)| (format!("{from:?}"), format!("{to:?}"))).collect()
}

/// The pairs under a heading of ARCHITECTURE.md: rows of the form `| From | To, To |`.
fn in_document(heading: &str) -> BTreeSet<(String, String)> {
    let text = read(&root().join("docs/ARCHITECTURE.md"));
    let section = text
        .split_once(&format!("### {heading}\n"))
        .unwrap_or_else(|| panic!("docs/ARCHITECTURE.md has no heading {heading:?}"))
        .1;
    section
        .lines()
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .filter(|(from, _)| *from != "from" && !from.starts_with('-'))
        .flat_map(|(from, to)| to.split(", ").map(move |to| (from.to_owned(), to.to_owned())))
        .collect()
}

#[track_caller]
fn agree<S: Transitions + Debug>(heading: &str) {
    assert_eq!(in_document(heading), in_code::<S>(), "left: docs/ARCHITECTURE.md, right: transitions.rs");
}

#[test]
fn of_revisions() {
    agree::<RevisionStatus>("Revision of an activity");
}

#[test]
fn of_installations() {
    agree::<InstallationStatus>("Installation");
}

#[test]
fn of_executions() {
    agree::<ExecutionStatus>("Execution");
}

#[test]
fn of_attempts() {
    agree::<AttemptStatus>("Attempt");
}

#[test]
fn of_workers() {
    agree::<WorkerStatus>("Worker");
}

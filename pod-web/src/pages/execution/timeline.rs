//! The timeline of an execution: its steps, and how long each took.

use pod_core::{
    Explanation,
    domain::{Attempt, AttemptOutcome, ExecutionStatus, Millis, Timestamp},
};

use super::outcome_text;

/// A step of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What happened.
    pub(super) name: String,
    /// When.
    pub(super) at: Timestamp,
    /// What came after it, and how long that took or takes.
    pub(super) then: Option<(&'static str, Millis)>,
}

/// The row of an attempt.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) attempt: Attempt,
    pub(super) how: String,
    pub(super) ran: Option<Millis>,
}

/// The timeline, and the texts around it.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    /// The steps so far.
    pub(super) steps: Vec<Step>,
    /// The expected end, until it has ended.
    pub(super) expected: Option<String>,
    /// How it ended, as a sentence.
    pub(super) ending: Option<String>,
    /// The reasons for its state.
    pub(super) sentences: Vec<String>,
    /// The summary line.
    pub(super) summary: String,
    /// The attempts, newest first.
    pub(super) rows: Vec<Row>,
    /// The API request for the same execution.
    pub(super) json: String,
    /// The same on the command line.
    pub(super) command: String,
}

impl Timeline {
    pub(super) fn of(explanation: &Explanation, attempts: &[Attempt], now: Timestamp) -> Self {
        let execution = &explanation.execution;
        let over = execution.status.is_terminal();
        let latest = attempts.iter().rev().find(|attempt| attempt.end != Some(AttemptOutcome::Recalled));
        let mut steps = vec![Step { name: "Submitted".to_owned(), at: execution.submitted_at, then: None }];
        let mut next = |name: String, at: Timestamp, before: &'static str| {
            if let Some(last) = steps.last_mut() {
                last.then = Some((before, at.since(last.at)));
            }
            steps.push(Step { name, at, then: None });
        };
        if let Some(attempt) = latest.filter(|_| execution.status != ExecutionStatus::Waiting) {
            let waited = if attempt.key.attempt.0 > 1 { "waited, and tried before" } else { "waited" };
            next(format!("Given to worker {}", attempt.worker), attempt.assigned_at, waited);
            if let Some(started) = attempt.started_at {
                next("Started".to_owned(), started, "waited there");
            }
        }
        let running = latest.is_some_and(|attempt| attempt.started_at.is_some() && attempt.end.is_none());
        let state = match execution.status {
            ExecutionStatus::Waiting => "waits",
            _ if running => "runs",
            _ => "waits there",
        };
        match execution.finished_at {
            Some(at) => {
                let began = latest.is_some_and(|attempt| attempt.started_at.is_some());
                let word = crate::format::HasStatus::style(&execution.status).word;
                let name = word[..1].to_uppercase() + &word[1..];
                next(name, at, if began { "ran" } else { "waited" });
            }
            None => {
                if let Some(last) = steps.last_mut() {
                    last.then = Some((state, now.since(last.at)));
                }
            }
        }
        let expected = explanation.eta.filter(|_| !over).map(|left| format!("about {left} more until it ends"));
        let rows = attempts.iter().rev().map(|attempt| Row {
            attempt: attempt.clone(),
            how: outcome_text::attempt(attempt),
            ran: attempt.started_at.map(|started| attempt.ended_at.unwrap_or(now).since(started)),
        });
        let (json, command) = again(&explanation.activity_name, execution.input.as_deref());
        Self {
            summary: summary(explanation, &steps),
            steps,
            expected,
            ending: execution.outcome.as_ref().map(outcome_text::ending),
            sentences: explanation.reasons.iter().map(ToString::to_string).collect(),
            rows: rows.collect(),
            json,
            command,
        }
    }
}

fn summary(explanation: &Explanation, steps: &[Step]) -> String {
    let execution = &explanation.execution;
    let mut parts = Vec::new();
    if let Some(worker) = execution.worker.filter(|_| execution.public_status() == ExecutionStatus::Running) {
        parts.push(format!("on worker {worker}"));
    }
    let last = if execution.status.is_terminal() { steps.iter().rev().nth(1) } else { steps.last() };
    if let Some((what, took)) = last.and_then(|step| step.then) {
        parts.push(if execution.status.is_terminal() { format!("{what} {took}") } else { format!("for {took}") });
    }
    if execution.attempt.0 > 1 {
        parts.push(format!("attempt {}", execution.attempt));
    }
    if execution.cancel_requested && !execution.status.is_terminal() {
        parts.push("being terminated".to_owned());
    }
    parts.join(" · ")
}

/// What makes the same execution again: a body for the API, and a command.
fn again(activity: &str, input: Option<&str>) -> (String, String) {
    let body = match input {
        Some(input) => serde_json::json!({ "activity": activity, "input": input }),
        None => serde_json::json!({ "activity": activity }),
    };
    let command = match input {
        Some(input) => format!("pod run {} {}", quoted(activity), quoted(input)),
        None => format!("pod run {}", quoted(activity)),
    };
    (quoted(&body.to_string()), command)
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:@%+=,".contains(character);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_is_one_word_of_the_shell() {
        for (text, expected) in [
            ("cat.png", "cat.png"),
            ("two words", "'two words'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("$x", "'$x'"),
            ("-f", "'-f'"),
        ] {
            assert_eq!(quoted(text), expected);
        }
        let (body, command) = again("thumbs", Some("a \"b\"\n"));
        assert_eq!(body, r#"'{"activity":"thumbs","input":"a \"b\"\n"}'"#);
        assert_eq!(command, "pod run thumbs 'a \"b\"\n'");
    }
}

//! Maps the outcome of an execution to the exit code of a command and a sentence about it.

use pod_core::domain::ExecutionStatus;
use pod_server::client::Execution;

use super::failure::Exit;

/// The exit code for an ended execution: the program's own, 128+N if signal N ended it, and 1 if POD ended it or could
/// not run it, with a sentence that says so.
pub(crate) fn describe_end(execution: &Execution) -> (Exit, Option<String>) {
    let id = execution.id;
    if let Some(code) = execution.exit_code {
        return (Exit(u8::try_from(code).unwrap_or(1)), None);
    }
    if let Some(signal) = execution.signal {
        let sentence = execution.reason.as_deref().map(|reason| format!("execution {id} was killed: {reason}"));
        return (Exit::signal(signal), sentence);
    }
    let sentence = match execution.status.0 {
        ExecutionStatus::Terminated => format!("execution {id} was terminated"),
        ExecutionStatus::TimedOut => format!("execution {id} was ended because its time limit passed"),
        _ => {
            let reason = execution.reason.as_deref().unwrap_or("no reason is known");
            format!("execution {id} could not be run: {reason}")
        }
    };
    (Exit::ERROR, Some(sentence))
}

/// A note about a program that failed by itself, with the command that shows its output.
pub(crate) fn program_failed(execution: &Execution) -> Option<String> {
    let id = execution.id;
    match (execution.exit_code, execution.signal) {
        (Some(0), _) | (None, None) => None,
        (Some(code), _) => Some(format!("execution {id} failed with exit code {code}; see `pod logs {id}`")),
        (None, Some(signal)) => Some(format!("execution {id} was ended by signal {signal}; see `pod logs {id}`")),
    }
}

/// A note about an execution that is no longer waited for.
pub(crate) fn left(id: u64) -> String {
    format!("execution {id} was asked to end and is left to itself; see `pod explain {id}`")
}

/// The exit code or signal for tables: `0`, `3`, `signal 9`, or nothing while it has not ended.
pub(crate) fn code_text(execution: &Execution) -> String {
    match (execution.exit_code, execution.signal) {
        (Some(code), _) => code.to_string(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ended(members: serde_json::Value) -> Execution {
        let mut whole = json!({"id": 3, "activity": "a", "submittedAt": "2026-11-24T06:00:00.000Z", "attempt": 1});
        whole.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
        serde_json::from_value(whole).expect("an execution")
    }

    #[test]
    fn the_exit_code_is_that_of_the_program() {
        let cases = [
            (json!({"status": "finished", "exitCode": 0}), 0, false),
            (json!({"status": "failed", "exitCode": 7}), 7, false),
            (json!({"status": "failed", "signal": 9}), 137, false),
            (json!({"status": "terminated"}), 1, true),
            (json!({"status": "timedOut", "reason": "the time limit passed"}), 1, true),
            (json!({"status": "failed", "reason": "no worker could install it"}), 1, true),
        ];
        for (members, code, said) in cases {
            let (exit, sentence) = describe_end(&ended(members.clone()));
            assert_eq!((exit, sentence.is_some()), (Exit(code), said), "{members}");
        }
    }

    #[test]
    fn a_program_that_failed_is_named_with_its_id() {
        for (members, expected) in [
            (json!({"status": "finished", "exitCode": 0}), None),
            (json!({"status": "failed", "exitCode": 7}), Some("execution 3 failed with exit code 7; see `pod logs 3`")),
            (json!({"status": "failed", "signal": 9}), Some("execution 3 was ended by signal 9; see `pod logs 3`")),
            (json!({"status": "terminated"}), None),
        ] {
            assert_eq!(program_failed(&ended(members.clone())).as_deref(), expected, "{members}");
        }
    }
}

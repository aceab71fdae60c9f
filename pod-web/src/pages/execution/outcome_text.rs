//! The outcome of an execution or an attempt as a sentence.

use pod_core::domain::{Attempt, AttemptOutcome, Outcome};

use crate::format::signal;

/// How an execution ended, as a sentence.
pub(super) fn ending(ending: &Outcome) -> String {
    match ending {
        Outcome::Exited(code) => exited(*code),
        Outcome::Signalled(number) => signalled(*number),
        Outcome::Terminated => "Terminated because someone asked.".to_owned(),
        Outcome::TimedOut => "Its time limit passed, and it was ended.".to_owned(),
        Outcome::OutOfMemory => {
            "Killed by the system because the memory of its worker was used up. Give workers more, or run fewer at once."
                .to_owned()
        }
        Outcome::Aborted(_) | Outcome::WorkerLeft { .. } => {
            format!("Not run to its end: {}.", ending.reason().unwrap_or_default())
        }
    }
}

/// How an attempt ended, in a few words.
pub(super) fn attempt(attempt: &Attempt) -> String {
    match &attempt.end {
        None if attempt.started_at.is_some() => "runs".to_owned(),
        None => "given to the worker".to_owned(),
        Some(AttemptOutcome::Exited(code)) => format!("exit code {code}"),
        Some(AttemptOutcome::Signalled(number)) => match signal(*number) {
            Some((name, _)) => format!("signal {number}, {name}"),
            None => format!("signal {number}"),
        },
        Some(AttemptOutcome::TimedOut) => "timed out".to_owned(),
        Some(AttemptOutcome::Terminated) => "terminated".to_owned(),
        Some(AttemptOutcome::Lost) => "lost with its worker".to_owned(),
        Some(AttemptOutcome::StartFailed(reason)) => format!("could not be started: {reason}"),
        Some(AttemptOutcome::Recalled) => "taken back before it began".to_owned(),
        Some(AttemptOutcome::OutOfMemory) => "out of memory".to_owned(),
        Some(AttemptOutcome::WorkerLeft) => "ended because its worker left".to_owned(),
    }
}

fn exited(code: i32) -> String {
    let meaning = match code {
        0 => return "Exit code 0: it succeeded.".to_owned(),
        1 => "a general error; its last lines usually say which",
        2 => "wrong usage of a command, or a file that was not there",
        126 => "a command was found and could not be executed; its permissions or its format are wrong",
        127 => "a command was not found; install it in install.sh",
        129..=192 => {
            return match signal(code - 128) {
                Some((name, meaning)) => {
                    format!("Exit code {code}: a command in it was ended by signal {}, {name}: {meaning}.", code - 128)
                }
                None => format!("Exit code {code}: a command in it was ended by signal {}.", code - 128),
            };
        }
        _ => return format!("Exit code {code}: the program's own; its documentation says what it means."),
    };
    format!("Exit code {code}: {meaning}.")
}

fn signalled(number: i32) -> String {
    match signal(number) {
        Some((name, meaning)) => format!("Ended by signal {number}, {name}: {meaning}."),
        None => format!("Ended by signal {number}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_signals_are_told_with_their_meaning() {
        for (end, expected) in [
            (Outcome::Exited(0), "Exit code 0: it succeeded."),
            (Outcome::Exited(127), "Exit code 127: a command was not found; install it in install.sh."),
            (
                Outcome::Exited(143),
                "Exit code 143: a command in it was ended by signal 15, SIGTERM: it was asked to end.",
            ),
            (Outcome::Exited(42), "Exit code 42: the program's own; its documentation says what it means."),
            (Outcome::Signalled(11), "Ended by signal 11, SIGSEGV: a bad memory access."),
            (Outcome::Signalled(63), "Ended by signal 63."),
        ] {
            assert_eq!(ending(&end), expected);
        }
    }
}

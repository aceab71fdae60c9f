//! The outcome of an execution or an attempt as a sentence.

use pod_core::domain::{Attempt, AttemptEnd, Ending};

use crate::format::signal;

/// How an execution ended, as a sentence.
pub(super) fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Exited(code) => exited(*code),
        Ending::Signalled(number) => signalled(*number),
        Ending::Terminated => "Terminated because someone asked.".to_owned(),
        Ending::TimedOut => "Its time limit passed, and it was ended.".to_owned(),
        Ending::OutOfMemory => {
            "Killed by the system because the memory of its worker was used up. Give workers more, or run fewer at once."
                .to_owned()
        }
        Ending::GaveUp(_) | Ending::WorkerLeft { .. } => {
            format!("Not run to its end: {}.", ending.reason().unwrap_or_default())
        }
    }
}

/// How an attempt ended, in a few words.
pub(super) fn attempt(attempt: &Attempt) -> String {
    match &attempt.end {
        None if attempt.started_at.is_some() => "runs".to_owned(),
        None => "given to the worker".to_owned(),
        Some(AttemptEnd::Exited(code)) => format!("exit code {code}"),
        Some(AttemptEnd::Signalled(number)) => match signal(*number) {
            Some((name, _)) => format!("signal {number}, {name}"),
            None => format!("signal {number}"),
        },
        Some(AttemptEnd::TimedOut) => "timed out".to_owned(),
        Some(AttemptEnd::Terminated) => "terminated".to_owned(),
        Some(AttemptEnd::Lost) => "lost with its worker".to_owned(),
        Some(AttemptEnd::StartFailed(reason)) => format!("could not be started: {reason}"),
        Some(AttemptEnd::Recalled) => "taken back before it began".to_owned(),
        Some(AttemptEnd::OutOfMemory) => "out of memory".to_owned(),
        Some(AttemptEnd::WorkerLeft) => "ended because its worker left".to_owned(),
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
            (Ending::Exited(0), "Exit code 0: it succeeded."),
            (Ending::Exited(127), "Exit code 127: a command was not found; install it in install.sh."),
            (
                Ending::Exited(143),
                "Exit code 143: a command in it was ended by signal 15, SIGTERM: it was asked to end.",
            ),
            (Ending::Exited(42), "Exit code 42: the program's own; its documentation says what it means."),
            (Ending::Signalled(11), "Ended by signal 11, SIGSEGV: a bad memory access."),
            (Ending::Signalled(63), "Ended by signal 63."),
        ] {
            assert_eq!(ending(&end), expected);
        }
    }
}

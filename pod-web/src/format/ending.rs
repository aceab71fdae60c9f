//! A short text for the outcome of an execution.

use pod_core::domain::{Execution, Outcome};

/// The meaning of an exit code or signal in a few words; empty if the state says it all.
pub(crate) fn ending(execution: &Execution) -> String {
    match &execution.outcome {
        None | Some(Outcome::Exited(0) | Outcome::Terminated) => String::new(),
        Some(Outcome::Exited(code)) => match code {
            126 => "exit code 126: the command could not be run".to_owned(),
            127 => "exit code 127: a command was not found".to_owned(),
            _ => format!("exit code {code}"),
        },
        Some(Outcome::Signalled(signal)) => match super::signal(*signal) {
            Some((name, meaning)) => format!("signal {signal}, {name}: {meaning}"),
            None => format!("signal {signal}"),
        },
        Some(Outcome::TimedOut) => "its time limit passed".to_owned(),
        Some(Outcome::OutOfMemory) => "it used more memory than it may".to_owned(),
        Some(given_up @ (Outcome::Aborted(_) | Outcome::WorkerLeft { .. })) => given_up.reason().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use pod_core::domain::{ActivityId, ExecutionId, RevisionNo, Timestamp};

    use super::*;

    #[test]
    fn a_signal_is_told_with_its_meaning() {
        let waiting = Execution::waiting(ExecutionId(1), ActivityId(1), RevisionNo(1), None, Timestamp(0));
        let told = |end| ending(&Execution { outcome: Some(end), ..waiting.clone() });
        assert_eq!(told(Outcome::Signalled(11)), "signal 11, SIGSEGV: a bad memory access");
        assert_eq!(told(Outcome::Signalled(63)), "signal 63");
        assert_eq!((told(Outcome::Exited(0)).as_str(), told(Outcome::Exited(3)).as_str()), ("", "exit code 3"));
    }
}

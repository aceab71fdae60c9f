//! A short text for the outcome of an execution.

use pod_core::domain::{Ending, Execution};

/// The meaning of an exit code or signal in a few words; empty if the state says it all.
pub(crate) fn ending(execution: &Execution) -> String {
    match &execution.ending {
        None | Some(Ending::Exited(0) | Ending::Terminated) => String::new(),
        Some(Ending::Exited(code)) => match code {
            126 => "exit code 126: the command could not be run".to_owned(),
            127 => "exit code 127: a command was not found".to_owned(),
            _ => format!("exit code {code}"),
        },
        Some(Ending::Signalled(signal)) => match super::signal(*signal) {
            Some((name, meaning)) => format!("signal {signal}, {name}: {meaning}"),
            None => format!("signal {signal}"),
        },
        Some(Ending::TimedOut) => "its time limit passed".to_owned(),
        Some(Ending::OutOfMemory) => "it used more memory than it may".to_owned(),
        Some(given_up @ (Ending::GaveUp(_) | Ending::WorkerLeft { .. })) => given_up.reason().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use pod_core::domain::{ActivityId, ExecutionId, RevisionNo, Timestamp};

    use super::*;

    #[test]
    fn a_signal_is_told_with_its_meaning() {
        let waiting = Execution::waiting(ExecutionId(1), ActivityId(1), RevisionNo(1), None, Timestamp(0));
        let told = |end| ending(&Execution { ending: Some(end), ..waiting.clone() });
        assert_eq!(told(Ending::Signalled(11)), "signal 11, SIGSEGV: a bad memory access");
        assert_eq!(told(Ending::Signalled(63)), "signal 63");
        assert_eq!((told(Ending::Exited(0)).as_str(), told(Ending::Exited(3)).as_str()), ("", "exit code 3"));
    }
}

//! How an execution ended, in words.

use pod_core::domain::{Ending, Execution};

/// What a code or signal means, in a few words; nothing where there is nothing to add to the state.
pub(crate) fn ending(execution: &Execution) -> String {
    match &execution.ending {
        None | Some(Ending::Exited(0) | Ending::Terminated) => String::new(),
        Some(Ending::Exited(code)) => match code {
            126 => "exit code 126: the command could not be run".to_owned(),
            127 => "exit code 127: a command was not found".to_owned(),
            _ => format!("exit code {code}"),
        },
        Some(Ending::Signalled(signal)) => match signal_name(*signal) {
            Some(name) => format!("signal {signal}, {name}"),
            None => format!("signal {signal}"),
        },
        Some(Ending::TimedOut) => "its time limit passed".to_owned(),
        Some(Ending::OutOfMemory) => "it used more memory than it may".to_owned(),
        Some(Ending::GaveUp(reason)) => reason.to_string(),
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL: an illegal instruction",
        6 => "SIGABRT: it gave up by itself",
        7 => "SIGBUS: a bad memory access",
        8 => "SIGFPE: an arithmetic error",
        9 => "SIGKILL: killed, often for lack of memory",
        11 => "SIGSEGV: a bad memory access",
        13 => "SIGPIPE: nobody read what it wrote",
        15 => "SIGTERM: asked to end",
        _ => return None,
    })
}

//! The signals that end programs: their names, and what each means.

/// Name and meaning of a signal; nothing for one that is rarely met.
pub(crate) fn signal(number: i32) -> Option<(&'static str, &'static str)> {
    Some(match number {
        1 => ("SIGHUP", "its terminal was closed"),
        2 => ("SIGINT", "it was interrupted"),
        3 => ("SIGQUIT", "it was asked to quit"),
        4 => ("SIGILL", "an instruction that this processor does not know"),
        6 => ("SIGABRT", "it gave up by itself"),
        7 => ("SIGBUS", "a bad memory access"),
        8 => ("SIGFPE", "a bad calculation, such as a division by zero"),
        9 => ("SIGKILL", "something outside killed it, often for want of memory"),
        11 => ("SIGSEGV", "a bad memory access"),
        13 => ("SIGPIPE", "what it wrote to was closed"),
        14 => ("SIGALRM", "a timer of its own ran out"),
        15 => ("SIGTERM", "it was asked to end"),
        24 => ("SIGXCPU", "its limit of processor time was reached"),
        25 => ("SIGXFSZ", "its limit of file size was reached"),
        _ => return None,
    })
}

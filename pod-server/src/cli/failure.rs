//! The exit code of a command, and the sentence of a failure.

use std::{fmt, io};

use pod_server::client::{ClientError, InvalidAddress};

/// What the process exits with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    pub(crate) const DONE: Self = Self(0);
    pub(crate) const ERROR: Self = Self(1);
    /// No manager answers, or it has no time: the same may succeed later.
    pub(crate) const NO_ANSWER: Self = Self(3);
    pub(crate) const NOT_ALLOWED: Self = Self(4);
    /// The address leads to no manager: its name is not known, or something else answers there.
    pub(crate) const NO_MANAGER: Self = Self(5);

    /// The code that shells give a program ended by a signal.
    pub(crate) fn signal(number: i32) -> Self {
        Self(128_u8.saturating_add(u8::try_from(number).unwrap_or(127)))
    }
}

/// The number of SIGPIPE, which ends a program whose reader has gone.
const SIGPIPE: i32 = 13;

/// A failed command. `message` is a sentence for a person; a quiet failure has said everything already.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: Option<String>,
    pub(crate) exit: Exit,
    is_hasty: bool,
    is_output: bool,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), exit: Exit::ERROR, is_hasty: false, is_output: false }
    }

    /// No manager is there.
    pub(crate) fn no_answer(message: impl Into<String>) -> Self {
        Self { exit: Exit::NO_ANSWER, ..Self::new(message) }
    }

    pub(crate) const fn quiet(exit: Exit) -> Self {
        Self { message: None, exit, is_hasty: false, is_output: false }
    }

    /// The user did not want to wait for an orderly end.
    pub(crate) const fn at_once(exit: Exit) -> Self {
        Self { message: None, exit, is_hasty: true, is_output: false }
    }

    /// Whether the user did not want to wait for an orderly end.
    pub(crate) const fn is_hasty(&self) -> bool {
        self.is_hasty
    }

    /// Whether the output cannot be written any more, since its reader is gone or the disk refuses it.
    pub(crate) const fn is_output(&self) -> bool {
        self.is_output
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or_default())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match error {
            ClientError::NotAllowed { .. } => Exit::NOT_ALLOWED,
            ClientError::UnknownHost { .. } | ClientError::NotPod { .. } => Exit::NO_MANAGER,
            ClientError::Unknown { .. } => Exit::NO_ANSWER,
            _ if error.is_passing() => Exit::NO_ANSWER,
            _ => Exit::ERROR,
        };
        Self { exit, ..Self::new(error.to_string()) }
    }
}

impl From<InvalidAddress> for Failure {
    fn from(error: InvalidAddress) -> Self {
        Self::new(error.to_string())
    }
}

/// Failures of writing to our own stdout and stderr. A reader that went away (`pod ps | head`) ends us quietly, with
/// the code that a shell shows for SIGPIPE; Rust's runtime ignores the signal itself.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { is_output: true, ..Self::quiet(Exit::signal(SIGPIPE)) };
        }
        Self { is_output: true, ..Self::new(format!("the output could not be written: {error}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_quiet_and_looks_like_sigpipe() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.is_output() && failure.message.is_none());
        assert_eq!(failure.exit, Exit(141));
    }

    #[test]
    fn what_is_not_there_is_told_apart_from_who_does_not_answer() {
        let address: pod_server::client::Address = "localhost:1".parse().expect("an address");
        let why = String::new();
        let passing = |status| ClientError::Refused { status, detail: String::new() };
        for (error, code) in [
            (passing(404), 1),
            (passing(503), 3),
            (ClientError::Unreachable { address: address.clone(), why: why.clone(), was_sent: false }, 3),
            (ClientError::Unknown { address: address.clone(), why: why.clone() }, 3),
            (ClientError::UnknownHost { address: address.clone(), why: why.clone() }, 5),
            (ClientError::NotPod { address, why }, 5),
        ] {
            assert_eq!(Failure::from(error).exit, Exit(code));
        }
    }

    #[test]
    fn a_refusal_for_want_of_a_token_has_its_own_code() {
        let failure = Failure::from(ClientError::NotAllowed { detail: "no".to_owned() });
        assert_eq!(failure.exit, Exit(4));
        assert!(failure.to_string().contains("POD_TOKEN"));
    }
}

//! The words that statuses and choices have in `/api/v1`, in the store and in this library's text.

/// What is not one of the words for something, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no {what}: give one of {}", known.join(", "))]
#[non_exhaustive]
pub struct UnknownWord {
    /// What was given; its beginning, where it is long.
    pub word: String,
    /// What it should have been a word for.
    pub what: &'static str,
    /// The words that there are.
    pub known: &'static [&'static str],
}

impl UnknownWord {
    pub(super) fn new(word: &str, what: &'static str, known: &'static [&'static str]) -> Self {
        Self { word: word.chars().take(120).collect(), what, known }
    }
}

/// Gives each variant of an enum its word, and reads it again.
macro_rules! words {
    ($name:ident, $what:literal: $($variant:ident = $word:literal),+ $(,)?) => {
        impl $name {
            /// The word of `/api/v1`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::domain::word::UnknownWord;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::domain::word::UnknownWord::new(word, $what, &[$($word),+])),
                }
            }
        }
    };
}

pub(super) use words;

#[cfg(test)]
mod tests {
    use crate::domain::{
        ActivityStatus, AttemptStatus, EventKind, ExecutionStatus, InstallationStatus, Isolation, Network, OnLost,
        RevisionStatus, Stream, WorkerStatus,
    };

    /// The word is that of serde, which the store has and `/api/v1` shows; and it is read again.
    macro_rules! agrees {
        ($($value:expr),+ $(,)?) => {
            $({
                let value = $value;
                assert_eq!(serde_json::to_string(&value).unwrap(), format!("\"{value}\""));
                assert_eq!(value.to_string().parse(), Ok(value));
            })+
        };
    }

    #[test]
    fn a_word_is_what_is_stored_and_is_read_again() {
        for status in ExecutionStatus::ALL {
            agrees!(status);
        }
        agrees!(ActivityStatus::Uninstalling, RevisionStatus::Approved, InstallationStatus::Removing);
        agrees!(AttemptStatus::Assigned, EventKind::ExecutionEnded, OnLost::Fail, Stream::Stderr, WorkerStatus::Lost);
        agrees!(Isolation::Execution, Network::None, EventKind::ClockSet);
    }

    #[test]
    fn what_is_no_word_is_told_with_those_that_there_are() {
        let said = "gone".parse::<OnLost>().unwrap_err().to_string();
        assert_eq!(said, "\"gone\" is no reaction to a loss: give one of requeue, fail");
    }
}

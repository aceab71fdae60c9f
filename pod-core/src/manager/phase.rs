//! How far the manager is on its way to its end.

use crate::domain::Age;

/// How far the manager is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody asked for it.
    Running,
    /// Workers leave.
    Leaving,
    /// They have left; what they said last is still listened for until then.
    Left(Age),
    /// What was accepted before is taken, and nothing else.
    TakingLast,
    /// The last round is committed.
    Last,
    /// It is over.
    Ended,
}

impl Phase {
    /// Whether the end was asked for.
    pub(super) const fn is_closing(self) -> bool {
        !matches!(self, Self::Running)
    }

    pub(super) const fn has_ended(self) -> bool {
        matches!(self, Self::Ended)
    }

    /// When to go on with the end, though nothing happens.
    pub(super) const fn ends_at(self) -> Option<Age> {
        match self {
            Self::Left(until) => Some(until),
            _ => None,
        }
    }
}

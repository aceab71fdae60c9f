//! What a request may say beside what it wants: that it is the same as an earlier one, and what it was made from.

/// On which terms a request is carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The same request under the same key is answered from what it did, and not done again; another one is refused.
    pub key: Option<String>,
    /// It is done only while what it is about is still as its maker saw it.
    pub expected: Option<Expected>,
}

/// What an activity or a policy is expected to be when it is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Not there.
    Absent,
    /// There.
    Present,
    /// One of these versions: see [`ActivityView::version`](crate::ActivityView::version) and
    /// [`Policy::version`](crate::domain::Policy::version).
    OneOf(Vec<String>),
    /// None of these versions.
    NoneOf(Vec<String>),
}

impl Expected {
    /// Whether what there is is what was expected.
    #[must_use]
    pub fn is_met(&self, there: Option<&str>) -> bool {
        let is_among = |versions: &[String]| there.is_some_and(|there| versions.iter().any(|one| one == there));
        match self {
            Self::Absent => there.is_none(),
            Self::Present => there.is_some(),
            Self::OneOf(versions) => is_among(versions),
            Self::NoneOf(versions) => !is_among(versions),
        }
    }
}

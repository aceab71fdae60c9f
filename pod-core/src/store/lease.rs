//! The lease: which manager holds a store, and for how long.

use std::{fmt, sync::Arc};

use crate::domain::{Epoch, Millis};

/// A manager that holds a store, or wants to. Managers are told apart by name: one that asks under the name of the holder
/// is the holder come back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Holder {
    /// Its name, which a restart does not change.
    pub name: Arc<str>,
    /// Where it is reached, for those who find the store held.
    pub url: Option<Arc<str>>,
}

impl Holder {
    /// A holder of that name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), url: None }
    }

    /// Says where it is reached.
    #[must_use]
    pub fn at(self, url: impl Into<Arc<str>>) -> Self {
        Self { url: Some(url.into()), ..self }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) => write!(f, "{} at {url}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// The answer to [`Store::acquire`](super::Store::acquire).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquisition {
    /// The lease is that of who asked.
    Acquired(Lease),
    /// Another manager holds the store.
    HeldBy(HeldLease),
}

impl Acquisition {
    /// The lease, or who holds it instead.
    ///
    /// # Errors
    ///
    /// When another manager holds the store.
    pub fn acquired(self) -> Result<Lease, HeldLease> {
        match self {
            Self::Acquired(lease) => Ok(lease),
            Self::HeldBy(held) => Err(held),
        }
    }
}

/// A lease that was acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The epoch; every commit names it.
    pub epoch: Epoch,
    /// The time after which others may acquire it, unless it is renewed.
    pub expires_in: Millis,
}

/// A lease that another manager holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{holder} holds the store, and its lease lasts another {expires_in} unless it is renewed")]
pub struct HeldLease {
    /// Who holds it.
    pub holder: Holder,
    /// The time after which it can be acquired, unless it is renewed or released before.
    pub expires_in: Millis,
}

//! Which versions of the link there are, and how two sides agree on one.
//!
//! Version 3 is the first that others have to get on with. Its hello and its welcome are laid out as they are for ever:
//! fields are added at their ends, and since each is alone in its frame, a side that does not know them does not read
//! them, and one that misses them takes the other for version 3. All other messages are as they were, or new.
//!
//! So a manager understands every worker since version 3. One whose version is older than [`OLDEST_VERSION`] gets no new
//! work, since it would not understand all that is said of it: it ends what it runs, delivers that, and goes.

use serde::{Deserialize, Deserializer};

/// The newest version that this code speaks: 4, in which a worker pulls what it installs in pieces.
pub const NEWEST_VERSION: u32 = 4;
/// The oldest version that this code speaks.
pub const OLDEST_VERSION: u32 = 3;
/// The version with which the layout of hello and welcome begins.
pub const FIRST_VERSION: u32 = 3;

/// The version that a manager speaks with a worker whose newest is that one.
#[must_use]
pub const fn agreed_version(newest_of_worker: u32) -> u32 {
    if newest_of_worker < NEWEST_VERSION { newest_of_worker } else { NEWEST_VERSION }
}

/// The end of a hello that may not be there.
pub(super) fn or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(u32::deserialize(deserializer).unwrap_or(0))
}

/// The end of a welcome that may not be there.
pub(super) fn or_first<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(u32::deserialize(deserializer).unwrap_or(FIRST_VERSION))
}

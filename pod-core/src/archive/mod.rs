//! The archive of an activity's directory, as everybody here reads it: through one [`Sieve`].
//!
//! A tar.gz comes from whoever may register an activity, and its headers claim whatever they like. So it is read by hand,
//! block by block, and everything is checked before it costs anything: an entry is told only when it may be unpacked in
//! an empty directory without reaching out of it. What hashes, shows and unpacks a directory asks the same sieve, so that
//! nobody unpacks what another one has not seen.

mod gzip;
mod header;
mod limits;
mod paths;
mod pax;
mod refused;
mod sieve;
#[cfg(test)]
mod tests;

pub use limits::{LONGEST_NAME, LONGEST_PATH, MOST_BYTES, MOST_ENTRIES, MOST_EXTENSION, MOST_NAMES};
pub use paths::stays_within;
pub use refused::Refused;
pub use sieve::{Entry, Kind, Sieve};

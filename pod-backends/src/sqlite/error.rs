//! What SQLite and the file system complain about, in the words of the trait.

use std::{fmt::Display, io};

use pod_core::store::StoreError;

const SQLITE_FULL: u32 = 13;
const SQLITE_CONSTRAINT: u32 = 19;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;

/// What to do about a damaged database.
pub(super) const ADVICE: &str = "restore it from a backup, or save what can be read with \
                                 `sqlite3 pod.db .recover | sqlite3 new.db` while no manager runs, and put new.db into \
                                 its place, without the pod.db-wal and pod.db-shm of the old one";

/// What a person hears of a full disk.
const NO_SPACE: &str = "no space is left on the disk of the data directory; free some and try again";

/// The primary result code, where SQLite gave one.
pub(super) fn code(error: &sqlx::Error) -> Option<u32> {
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

pub(super) fn from_sql(error: sqlx::Error) -> StoreError {
    let text = error.to_string().into();
    match code(&error) {
        Some(SQLITE_FULL) => StoreError::Full(NO_SPACE.into()),
        Some(SQLITE_CONSTRAINT) => StoreError::Conflict(text),
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => {
            StoreError::Incompatible(format!("the database is damaged ({text}); {ADVICE}").into())
        }
        _ => StoreError::Unavailable(text),
    }
}

pub(super) fn from_io(error: &io::Error, what: impl Display) -> StoreError {
    let text = format!("{what}: {error}").into();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(text),
        _ => StoreError::Unavailable(text),
    }
}

/// A row that this version did not write.
pub(super) fn unreadable(what: impl Display) -> StoreError {
    StoreError::Incompatible(format!("the database holds {what}, which this version of POD cannot read").into())
}

pub(super) fn is_not_a_database(error: &sqlx::Error) -> bool {
    code(error) == Some(SQLITE_NOTADB)
}

pub(super) fn conflict(sentence: String) -> StoreError {
    StoreError::Conflict(sentence.into())
}

/// Refuses a batch whose statement has not met what the planner took for granted.
pub(super) fn expect(affected: u64, expected: usize, otherwise: &str) -> Result<(), StoreError> {
    if affected == expected as u64 { Ok(()) } else { Err(conflict(otherwise.to_owned())) }
}

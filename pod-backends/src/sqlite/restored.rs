//! Notices that a database is a copy that was put into the place of a newer one.
//!
//! Whoever followed the newer one has heard of events that this one does not know, and whose numbers it would hand out
//! again. So its numbers go on far behind: no number is ever that of two events.
//!
//! A file that was copied is another one for the file system. Where the bytes were written over those of the newer one,
//! what lies beside it tells: each start leaves a mark of its own there, and the copy names another one, or two are left.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use pod_core::store::StoreError;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::error::{from_io, from_sql};
use crate::private;

/// So many numbers of events lie between those before a restoration and those after it, at the most. JSON has room for
/// eight thousand times as many.
pub(super) const HISTORY: u64 = 1 << 40;
const MARK: &str = "pod.db-mark-";

/// Compares the file and its mark with what was written down, lets the numbers of events go on far behind where they
/// differ, and writes down what is there now. Who holds the newer one does not hold the copy.
pub(super) async fn notice(dir: &Path, path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT file, mark FROM lease").fetch_one(&mut *connection).await.map_err(from_sql)?;
    let known: (Option<String>, Option<String>) =
        (row.try_get(0).map_err(from_sql)?, row.try_get(1).map_err(from_sql)?);
    let refused = |error: io::Error| from_io(&error, "cannot tell what lies beside the database");
    let (file, marks) = (identity(path).map_err(refused)?, marks(dir).map_err(refused)?);
    let mark = Uuid::new_v4().to_string();
    private::file().create(true).truncate(true).write(true).open(dir.join(format!("{MARK}{mark}"))).map_err(refused)?;
    let restored = match &known {
        (Some(known_file), Some(known_mark)) => {
            *known_file != file || marks != [dir.join(format!("{MARK}{known_mark}"))]
        }
        _ => false,
    };
    let history = i64::try_from(HISTORY).unwrap_or(i64::MAX);
    let write = "UPDATE lease SET file = ?1, mark = ?2, \
                 last_event = CASE ?3 WHEN 0 THEN last_event ELSE (last_event / ?4 + 1) * ?4 END, \
                 holder = CASE ?3 WHEN 0 THEN holder END";
    let write = sqlx::query(write).bind(file).bind(mark).bind(restored).bind(history);
    write.execute(&mut *connection).await.map_err(from_sql)?;
    if restored {
        tracing::warn!("the database was restored from a copy: whoever follows its events is told so");
    }
    for old in marks {
        if let Err(error) = fs::remove_file(&old) {
            tracing::debug!(%error, mark = %old.display(), "a mark stays");
        }
    }
    Ok(())
}

/// What the file system calls a file, and when it was made.
fn identity(path: &Path) -> io::Result<String> {
    let file = fs::metadata(path)?;
    let made = file.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    Ok(format!("{} {}", file.ino(), made.map_or(0, |made| made.as_nanos())))
}

fn marks(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(MARK)) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

//! Notices that a database is a copy that was put into the place of a newer one.
//!
//! Whoever followed the newer one has heard of events that this one does not know, and whose numbers it would hand out
//! again. So its numbers go on far behind: no number is ever that of two events. The same goes for workers, which hold
//! what the newer one told them: by their numbers, none is taken for one that the copy knows or makes.
//!
//! How far behind is drawn: the same copy may be put back twice, and must not hand out the same numbers twice.
//!
//! A file that was copied is another one for the file system. Where the bytes were written over those of the newer one,
//! what lies beside it tells: each start leaves a mark of its own there, and the copy names another one, or two are left.
//! A mark is made under another name and gets its own when the database names it, so that a start that is cut short at any
//! place is not taken for a restoration.
//!
//! What goes back with its marks and keeps what the file system calls it is not noticed: a snapshot of a whole file system
//! or machine. Deleting the mark then says so.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use pod_core::{domain::WorkerId, store::StoreError};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::{
    encoding::int,
    error::{from_io, from_sql},
};
use crate::private;

/// So many numbers of events belong to one history at the most. JSON has room for eight thousand of them.
pub(super) const HISTORY: u64 = 1 << 40;
/// A restored store leaves out between one and so many histories of events, and so many of workers.
const SKIPPED: (u64, u64) = (32, 1000);
const MARK: &str = "pod.db-mark-";
/// The end of the name of a mark that the database may not name yet.
const TENTATIVE: &str = ".new";

/// What lies beside a database.
#[derive(Debug, Default)]
struct Marks {
    settled: Vec<PathBuf>,
    tentative: Vec<PathBuf>,
}

impl Marks {
    fn beside(dir: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            match entry.file_name().to_str().filter(|name| name.starts_with(MARK)) {
                Some(name) if name.ends_with(TENTATIVE) => found.tentative.push(entry.path()),
                Some(_) => found.settled.push(entry.path()),
                None => {}
            }
        }
        Ok(found)
    }

    /// Whether the last start that got as far as the database is the one which it names. Where that was cut short, the mark
    /// of the one before may still be there.
    fn are_of(&self, known: &str, dir: &Path) -> bool {
        self.tentative.contains(&tentative(dir, known)) || self.settled == [settled(dir, known)]
    }
}

fn settled(dir: &Path, mark: &str) -> PathBuf {
    dir.join(format!("{MARK}{mark}"))
}

fn tentative(dir: &Path, mark: &str) -> PathBuf {
    dir.join(format!("{MARK}{mark}{TENTATIVE}"))
}

/// Compares the file and its mark with what was written down, lets the numbers of events and workers go on far behind
/// where they differ, and writes down what is there now. Who holds the newer one does not hold the copy.
pub(super) async fn notice(dir: &Path, path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT file, mark FROM lease").fetch_one(&mut *connection).await.map_err(from_sql)?;
    let known: (Option<String>, Option<String>) =
        (row.try_get(0).map_err(from_sql)?, row.try_get(1).map_err(from_sql)?);
    let refused = |error: io::Error| from_io(&error, "cannot tell what lies beside the database");
    let (file, marks) = (identity(path).map_err(refused)?, Marks::beside(dir).map_err(refused)?);
    let drawn = Uuid::new_v4();
    let mark = drawn.to_string();
    private::file().create(true).truncate(true).write(true).open(tentative(dir, &mark)).map_err(refused)?;
    // Not lost with the power when the database has named it.
    sync(dir).map_err(refused)?;
    let restored = match &known {
        (Some(known_file), Some(known_mark)) => *known_file != file || !marks.are_of(known_mark, dir),
        _ => false,
    };
    let (high, low) = drawn.as_u64_pair();
    let (events, workers) = (low % SKIPPED.0 + 1, high % SKIPPED.1 + 1);
    let write = "UPDATE lease SET file = ?1, mark = ?2, \
                 last_event = CASE ?3 WHEN 0 THEN last_event ELSE (last_event / ?4 + ?5) * ?4 END, \
                 last_worker = CASE ?3 WHEN 0 THEN last_worker ELSE (last_worker / ?6 + ?7) * ?6 END, \
                 holder = CASE ?3 WHEN 0 THEN holder END";
    let write = sqlx::query(write).bind(file).bind(&mark).bind(restored).bind(int(HISTORY)).bind(int(events));
    let write = write.bind(int(WorkerId::PER_HISTORY)).bind(int(workers));
    write.execute(&mut *connection).await.map_err(from_sql)?;
    if restored {
        tracing::warn!(
            "the database was restored from a copy: whoever follows its events is told so, and its workers are given up"
        );
    }
    for old in marks.settled.into_iter().chain(marks.tentative) {
        if let Err(error) = fs::remove_file(&old) {
            tracing::debug!(%error, mark = %old.display(), "a mark stays");
        }
    }
    // The old ones are gone before there is a new one.
    sync(dir).map_err(refused)?;
    fs::rename(tentative(dir, &mark), settled(dir, &mark)).map_err(refused)
}

fn sync(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

/// What the file system calls a file, and when it was made.
fn identity(path: &Path) -> io::Result<String> {
    let file = fs::metadata(path)?;
    let made = file.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    Ok(format!("{} {}", file.ino(), made.map_or(0, |made| made.as_nanos())))
}

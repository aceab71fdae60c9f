//! Opens the database: creates or migrates it, or says in a sentence why it cannot be used.

use std::{path::Path, time::Duration};

use pod_core::{domain::StoreId, store::StoreError};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use uuid::Uuid;

use super::error::{ADVICE, code, from_sql, is_not_a_database, unreadable};
use crate::private;

/// The migrations, oldest first. The version of a database is how many of them it has seen.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
    include_str!("migrations/7.sql"),
];
/// Tells a database of POD from any other SQLite database: `POD1`.
const APPLICATION_ID: i64 = 0x504f_4431;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

fn options(path: &Path, cache_kib: u32) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .pragma("cache_size", format!("-{cache_kib}"))
        .pragma("temp_store", "memory")
        .statement_cache_capacity(256)
        .disable_statement_logging()
}

/// The connection that commits.
pub(super) async fn writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    // SQLite gives the files that go with it the same mode.
    if let Err(error) = close_to_others(path) {
        tracing::warn!(%error, path = %path.display(), "others may read the database");
    }
    let options = options(path, 8192)
        .create_if_missing(true)
        // What deleted rows free can be given back to a full disk.
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        // A burst does not leave a large log behind.
        .pragma("journal_size_limit", (16 << 20).to_string());
    options.connect().await.map_err(|error| refusal(path, error))
}

/// Connections that only read, at most so many.
pub(super) fn readers(path: &Path, connections: u32) -> SqlitePool {
    let options = options(path, 2048).read_only(true).row_buffer_size(256);
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(0)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

pub(super) fn make_directory(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    private::make_dir(dir).map_err(|error| {
        let sentence = format!("the data directory {} cannot be made: {error}; name one that can", dir.display());
        StoreError::Incompatible(sentence.into())
    })
}

fn close_to_others(path: &Path) -> std::io::Result<()> {
    private::file().create(true).truncate(false).write(true).open(path)?;
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        private::close(Path::new(&name))?;
    }
    Ok(())
}

fn refusal(path: &Path, error: sqlx::Error) -> StoreError {
    let path = path.display();
    let sentence = if is_not_a_database(&error) {
        format!(
            "{path} is not a database, or its beginning is damaged; move it away, choose another data directory, or {ADVICE}"
        )
    } else {
        match code(&error) {
            Some(13) => {
                let sentence = format!("there is no room for {path}; free some space on its disk and start again");
                return StoreError::Full(sentence.into());
            }
            Some(11) => format!("{path} is damaged ({error}); {ADVICE}"),
            Some(8) => format!("{path} cannot be written; make it and its directory writable"),
            Some(14) => format!("{path} cannot be opened; check that its directory exists and is writable"),
            _ => format!("{path} cannot be opened: {error}"),
        }
    };
    StoreError::Incompatible(sentence.into())
}

/// Brings the database to this version and tells its identity.
pub(super) async fn migrate(path: &Path, connection: &mut SqliteConnection) -> Result<StoreId, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|error| refusal(path, error))?;
    let version: i64 = pragma(path, &mut transaction, "PRAGMA user_version").await?;
    let application: i64 = pragma(path, &mut transaction, "PRAGMA application_id").await?;
    let tables: i64 = pragma(path, &mut transaction, "SELECT count(*) FROM sqlite_schema").await?;
    let shown = path.display();
    if tables > 0 && application != APPLICATION_ID {
        let sentence = format!("{shown} is a database of another program; choose another data directory");
        return Err(StoreError::Incompatible(sentence.into()));
    }
    let seen = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(seen..) else {
        let sentence = format!(
            "{shown} was written by a newer version of POD (schema {version}, this one knows {}); use that version",
            MIGRATIONS.len()
        );
        return Err(StoreError::Incompatible(sentence.into()));
    };
    for migration in missing {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(|error| refusal(path, error))?;
    }
    if !missing.is_empty() {
        let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", MIGRATIONS.len());
        sqlx::raw_sql(AssertSqlSafe(marks)).execute(&mut *transaction).await.map_err(|error| refusal(path, error))?;
    }
    sqlx::query(
        "INSERT OR IGNORE INTO lease (id, store, epoch, seq, last_activity, last_execution, last_worker, last_policy, \
         last_event, last_session, active_policy) VALUES (1, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
    )
    .bind(Uuid::new_v4().to_string())
    .execute(&mut *transaction)
    .await
    .map_err(|error| refusal(path, error))?;
    let id: String =
        sqlx::query_scalar("SELECT store FROM lease").fetch_one(&mut *transaction).await.map_err(from_sql)?;
    transaction.commit().await.map_err(|error| refusal(path, error))?;
    id.parse().map_err(|_| unreadable(format_args!("the identity {id:?}")))
}

async fn pragma(path: &Path, connection: &mut SqliteConnection, text: &'static str) -> Result<i64, StoreError> {
    sqlx::query_scalar(text).fetch_one(connection).await.map_err(|error| refusal(path, error))
}

//! Tables, indexes, and how an older database is brought to them.
//!
//! Executions and attempts are columns, since they are many and are searched; everything else is a document, since it
//! is few and is loaded whole.

/// Marks a database as POD's (`PRAGMA application_id`): "POD1".
pub(super) const APPLICATION_ID: i64 = 0x504F_4431;

/// One entry per version; `PRAGMA user_version` tells how many were applied.
pub(super) const MIGRATIONS: &[&str] = &["
CREATE TABLE store (
    one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL,
    epoch INTEGER NOT NULL, seq INTEGER NOT NULL, active_policy INTEGER NOT NULL,
    activity INTEGER NOT NULL, execution INTEGER NOT NULL, worker INTEGER NOT NULL,
    policy INTEGER NOT NULL, event INTEGER NOT NULL, session INTEGER NOT NULL
);
CREATE TABLE activities (id INTEGER PRIMARY KEY, name TEXT NOT NULL, doc TEXT);
CREATE UNIQUE INDEX activity_names ON activities (name) WHERE doc IS NOT NULL;
CREATE TABLE revisions (
    activity INTEGER NOT NULL, no INTEGER NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (activity, no)
) WITHOUT ROWID;
CREATE TABLE payloads (
    activity INTEGER NOT NULL, no INTEGER NOT NULL, archive INTEGER NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (activity, no)
);
CREATE TABLE installations (
    worker INTEGER NOT NULL, activity INTEGER NOT NULL, revision INTEGER NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY (worker, activity, revision)
) WITHOUT ROWID;
CREATE TABLE executions (
    id INTEGER PRIMARY KEY, activity INTEGER NOT NULL, status INTEGER NOT NULL, not_before INTEGER NOT NULL,
    submitted_at INTEGER NOT NULL, started_at INTEGER, finished_at INTEGER, attempt INTEGER NOT NULL, worker INTEGER,
    failures INTEGER NOT NULL, losses INTEGER NOT NULL, cancel_requested INTEGER NOT NULL, retrieved INTEGER NOT NULL,
    retry_of INTEGER, ending TEXT, input TEXT
);
CREATE INDEX executions_waiting ON executions (activity, not_before, id) WHERE status = 0;
CREATE INDEX executions_of_activity ON executions (activity, status, id);
CREATE INDEX executions_by_status ON executions (status, id);
CREATE INDEX executions_finished ON executions (finished_at) WHERE finished_at IS NOT NULL;
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, execution INTEGER NOT NULL, revision INTEGER NOT NULL, worker INTEGER NOT NULL,
    assigned_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, ending TEXT,
    stdout_len INTEGER, stdout BLOB, stdout_tail_at INTEGER, stdout_tail BLOB,
    stderr_len INTEGER, stderr BLOB, stderr_tail_at INTEGER, stderr_tail BLOB
);
CREATE UNIQUE INDEX attempts_open ON attempts (execution) WHERE ending IS NULL;
CREATE TABLE tallies (activity INTEGER PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE idempotency (
    key TEXT PRIMARY KEY, hash BLOB NOT NULL, first INTEGER NOT NULL, past INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE workers (id INTEGER PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE policies (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, doc TEXT NOT NULL);
CREATE TABLE decisions (id INTEGER PRIMARY KEY AUTOINCREMENT, doc TEXT NOT NULL);
CREATE TABLE events (last INTEGER PRIMARY KEY, doc TEXT NOT NULL);
"];

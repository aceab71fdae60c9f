-- One row: who holds the store, what was committed last, the highest ids handed out, the active policy.
CREATE TABLE lease (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    store           TEXT    NOT NULL,
    epoch           INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    last_activity   INTEGER NOT NULL,
    last_execution  INTEGER NOT NULL,
    last_worker     INTEGER NOT NULL,
    last_policy     INTEGER NOT NULL,
    last_event      INTEGER NOT NULL,
    last_session    INTEGER NOT NULL,
    active_policy   INTEGER NOT NULL
) STRICT;

-- A deleted activity keeps its row for its name. The tallies are JSON arrays, rewritten with each batch.
CREATE TABLE activities (
    id               INTEGER PRIMARY KEY,
    name             TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    status           TEXT    NOT NULL,
    deleted          INTEGER NOT NULL DEFAULT 0,
    tally            TEXT    NOT NULL DEFAULT '[0,0,0,0,0,0]',
    recent_durations TEXT    NOT NULL DEFAULT '[]'
) STRICT;
CREATE UNIQUE INDEX activities_by_name ON activities (name) WHERE deleted = 0;

CREATE TABLE revisions (
    activity INTEGER NOT NULL,
    no       INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    PRIMARY KEY (activity, no)
) STRICT, WITHOUT ROWID;

CREATE TABLE payloads (
    activity INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    bytes    BLOB    NOT NULL,
    UNIQUE (activity, revision)
) STRICT;

CREATE TABLE installations (
    worker   INTEGER NOT NULL,
    activity INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    PRIMARY KEY (worker, activity, revision)
) STRICT, WITHOUT ROWID;

-- A long input is kept apart, so that a change of status does not rewrite it.
CREATE TABLE executions (
    id               INTEGER PRIMARY KEY,
    activity         INTEGER NOT NULL,
    status           INTEGER NOT NULL,
    retrieved        INTEGER NOT NULL,
    not_before       INTEGER NOT NULL,
    submitted_at     INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER,
    attempt          INTEGER NOT NULL,
    worker           INTEGER,
    failures         INTEGER NOT NULL,
    losses           INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL,
    retry_of         INTEGER,
    ending           INTEGER,
    ending_code      INTEGER,
    ending_reason    TEXT,
    input_apart      INTEGER NOT NULL,
    input            TEXT
) STRICT;
CREATE INDEX waiting_executions ON executions (activity, not_before, id) WHERE status = 0;
CREATE INDEX executions_by_activity ON executions (activity, status, retrieved, id);
CREATE INDEX executions_by_status ON executions (status, retrieved, id);
CREATE INDEX ended_executions ON executions (finished_at, id) WHERE status >= 2;

CREATE TABLE inputs (
    execution INTEGER PRIMARY KEY,
    input     TEXT NOT NULL
) STRICT;

-- The key is the execution times 2^20 plus the attempt. Small output is in the row, longer output in files.
CREATE TABLE attempts (
    key              INTEGER PRIMARY KEY,
    revision         INTEGER NOT NULL,
    worker           INTEGER NOT NULL,
    assigned_at      INTEGER NOT NULL,
    started_at       INTEGER,
    ended_at         INTEGER,
    ending           INTEGER,
    ending_code      INTEGER,
    ending_reason    TEXT,
    stdout_len       INTEGER NOT NULL DEFAULT 0,
    stdout_gap_start INTEGER,
    stdout_gap_end   INTEGER,
    stdout           BLOB,
    stderr_len       INTEGER NOT NULL DEFAULT 0,
    stderr_gap_start INTEGER,
    stderr_gap_end   INTEGER,
    stderr           BLOB
) STRICT;
CREATE UNIQUE INDEX open_attempts ON attempts (key >> 20) WHERE ended_at IS NULL;

-- A key is forgotten with the last execution that it stands for.
CREATE TABLE idempotency (
    key             TEXT    PRIMARY KEY,
    request_hash    BLOB    NOT NULL,
    first_execution INTEGER NOT NULL,
    end_execution   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_end ON idempotency (end_execution);

CREATE TABLE workers (
    id   INTEGER PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE policies (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE decisions (
    no   INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL
) STRICT;

-- The events of one batch are one row, a JSON array, found by the number of its last one.
CREATE TABLE events (
    last INTEGER PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

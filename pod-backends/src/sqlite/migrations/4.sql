-- An execution is bound to the revision that it was submitted with. Those of before: to that of their last attempt, or
-- else to the one that would have run next, which is the newest approved one, or the newest where none is.
ALTER TABLE executions ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE revisions ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;
ALTER TABLE revisions ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;

UPDATE executions SET revision = coalesce(
    (SELECT a.revision FROM attempts AS a WHERE a.key = (executions.id << 20) + executions.attempt
        AND (executions.status > 0 OR EXISTS (
            SELECT 1 FROM revisions AS r WHERE r.activity = executions.activity AND r.no = a.revision))),
    (SELECT max(no) FROM revisions WHERE activity = executions.activity AND body ->> 'status' = 'approved'),
    (SELECT max(no) FROM revisions WHERE activity = executions.activity),
    0);

UPDATE revisions SET waiting = counted.waiting, kept = counted.kept FROM (
    SELECT activity, revision, count(*) FILTER (WHERE status = 0) AS waiting, count(*) AS kept
    FROM executions GROUP BY activity, revision) AS counted
WHERE revisions.activity = counted.activity AND revisions.no = counted.revision;

-- What was made from a directory is what `pod run` of that directory made.
UPDATE revisions SET body = json_set(body, '$.purpose', 'run') WHERE body ->> 'source' = 'directory';

DROP INDEX waiting_executions;
CREATE INDEX waiting_executions ON executions (activity, revision, not_before, id) WHERE status = 0;

-- What several revisions pin is kept once: they differ in their settings, or one was put again. What is from before has
-- no hash, and is shared by nothing new.
CREATE TABLE contents (
    id     INTEGER PRIMARY KEY,
    sha256 BLOB UNIQUE,
    kind   TEXT NOT NULL,
    bytes  BLOB NOT NULL
) STRICT;
INSERT INTO contents (id, kind, bytes) SELECT rowid, kind, bytes FROM payloads;
ALTER TABLE payloads RENAME TO payloads_of_before;
CREATE TABLE payloads (
    activity INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    content  INTEGER NOT NULL,
    PRIMARY KEY (activity, revision)
) STRICT, WITHOUT ROWID;
CREATE INDEX payloads_by_content ON payloads (content);
INSERT INTO payloads SELECT activity, revision, rowid FROM payloads_of_before;
DROP TABLE payloads_of_before;

-- What requests did that made no executions, under their idempotency keys, oldest first. What they did is text of the
-- planner's.
CREATE TABLE notes (
    no           INTEGER PRIMARY KEY AUTOINCREMENT,
    key          TEXT    NOT NULL UNIQUE,
    request_hash BLOB    NOT NULL,
    note         TEXT    NOT NULL
) STRICT;

-- A key stands for one request.
CREATE TRIGGER a_key_with_a_note_is_used BEFORE INSERT ON idempotency
WHEN EXISTS (SELECT 1 FROM notes WHERE key = new.key) BEGIN
    SELECT raise(ABORT, 'the idempotency key was used already');
END;
CREATE TRIGGER a_key_of_executions_is_used BEFORE INSERT ON notes
WHEN EXISTS (SELECT 1 FROM idempotency WHERE key = new.key) BEGIN
    SELECT raise(ABORT, 'the idempotency key was used already');
END;

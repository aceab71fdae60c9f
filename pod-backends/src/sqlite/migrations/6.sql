-- What is kept and what becomes due goes by the age of POD, which nobody can set; the system's clock only dates what is
-- shown. Of what ended before, the two are taken to be the same.
ALTER TABLE executions ADD COLUMN ended INTEGER;
UPDATE executions SET ended = finished_at WHERE status >= 2;
DROP INDEX ended_executions;
CREATE INDEX ended_executions ON executions (ended, id) WHERE status >= 2;

-- What the clocks said at the last commit, and how old POD was when the machine was started.
ALTER TABLE lease ADD COLUMN wall INTEGER;
ALTER TABLE lease ADD COLUMN age INTEGER;
ALTER TABLE lease ADD COLUMN boot TEXT;
ALTER TABLE lease ADD COLUMN boot_age INTEGER;
-- Which file this is, and what lies beside it: told from a copy that was put into its place.
ALTER TABLE lease ADD COLUMN file TEXT;
ALTER TABLE lease ADD COLUMN mark TEXT;
-- Up to this execution, ids need not be in the order of time: nobody has looked.
ALTER TABLE lease ADD COLUMN last_disordered INTEGER NOT NULL DEFAULT 0;
UPDATE lease SET
    last_disordered = last_execution,
    age = (SELECT max(max(submitted_at), coalesce(max(finished_at), 0)) FROM executions);
UPDATE lease SET wall = age;

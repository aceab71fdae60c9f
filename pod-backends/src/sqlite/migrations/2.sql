-- What happened in each minute, in numbers; a day of them is kept.
CREATE TABLE minutes (
    minute INTEGER PRIMARY KEY,
    body   TEXT NOT NULL
) STRICT;

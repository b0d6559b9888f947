-- How each source's tracker was seen last, so that a change made while nobody looked is told.

CREATE TABLE trackers (
    source     TEXT NOT NULL PRIMARY KEY,
    -- JSON: what it was set to, since when it is off, whether it may be looked at.
    standing   TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) WITHOUT ROWID;

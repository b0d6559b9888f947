-- Stretches of the past that a person had read again, from the archive.
CREATE TABLE fills (
    seq        INTEGER PRIMARY KEY,
    source     TEXT NOT NULL,
    from_at    INTEGER NOT NULL,
    to_at      INTEGER NOT NULL,
    -- What happened before this is stored; what is delivered late is not missed for it.
    reached    INTEGER NOT NULL,
    -- Who asked for it.
    by_whom    TEXT NOT NULL,
    began_at   INTEGER NOT NULL,
    touched_at INTEGER NOT NULL,
    traces     INTEGER NOT NULL,
    fresh      INTEGER NOT NULL,
    alerts     INTEGER NOT NULL,
    -- Files of the archive that could not be read.
    unreadable INTEGER NOT NULL,
    done       INTEGER NOT NULL,
    UNIQUE (source, from_at, to_at)
);

-- What rules remember between traces, and alerts that get worse.

-- What a rule remembers of one key. A key may be long and hold anything, hence the
-- hash: the first 16 bytes of a SHA-256 over source, rule and key.
CREATE TABLE memories (
    seq        INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE,
    source     TEXT NOT NULL,
    rule       TEXT NOT NULL,
    key        TEXT NOT NULL,
    -- The whole memory, JSON.
    facts      TEXT NOT NULL,
    -- When a silence is over due; most rules wait for none.
    due_at     INTEGER,
    -- Once all up to then is read, nothing can come of it any more.
    expires_at INTEGER NOT NULL,
    -- Time of its newest trace: the oldest give way when a rule remembers too many keys.
    touched    INTEGER NOT NULL
);
CREATE INDEX memories_rule ON memories (rule, source, touched);
CREATE INDEX memories_due ON memories (source, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX memories_expired ON memories (source, expires_at);

-- Since when each rule watches a source: learning counts from here.
CREATE TABLE watches (
    source TEXT NOT NULL,
    rule   TEXT NOT NULL,
    since  INTEGER NOT NULL,
    PRIMARY KEY (source, rule)
) WITHOUT ROWID;

-- How many of `count` a delivery tells of already. Until now that was the first match.
ALTER TABLE alerts ADD COLUMN told INTEGER NOT NULL DEFAULT 1;
DROP INDEX alerts_repeats;
CREATE INDEX alerts_untold ON alerts (id, count, told) WHERE closed_at IS NULL AND shadow = 0 AND count > told;

-- Why a trace was left alone.
ALTER TABLE ledger ADD COLUMN reason TEXT;

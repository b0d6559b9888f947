-- The state of one Tracebell. Times are microseconds since 1970, UTC.
-- Words for states and causes are spelled out, so that a person with a SQL shell can read them.

-- "tbel": tells our file from any other SQLite database.
PRAGMA application_id = 1952605548;

-- Trace ids seen: the first 16 bytes of a SHA-256 over source and id. Nine days of
-- these are the bulk of the file, hence no text and no row id.
CREATE TABLE seen (
    key BLOB NOT NULL PRIMARY KEY,
    at  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX seen_at ON seen (at);

CREATE TABLE checkpoints (
    source    TEXT NOT NULL PRIMARY KEY,
    watermark INTEGER NOT NULL,
    warm_at   INTEGER NOT NULL,
    cold_at   INTEGER NOT NULL,
    deep_at   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE gaps (
    seq        INTEGER PRIMARY KEY,
    source     TEXT NOT NULL,
    from_at    INTEGER NOT NULL,
    to_at      INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (source, from_at, to_at, reason)
);

-- Everything that only grows. kind `source`: traces by verdict;
-- kind `owed`, `suppressed`, `delivered`, `summarised`: per subscription, the
-- latter two for rows that are forgotten already.
CREATE TABLE counters (
    kind  TEXT NOT NULL,
    scope TEXT NOT NULL,
    name  TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (kind, scope, name)
) WITHOUT ROWID;

CREATE TABLE alerts (
    id          TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    source      TEXT NOT NULL,
    rule        TEXT NOT NULL,
    severity    INTEGER NOT NULL,
    shadow      INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    opened_at   INTEGER NOT NULL,
    closes_at   INTEGER NOT NULL,
    closed_at   INTEGER,
    -- `count` as last handed out for closing; an alert that grew since stays open.
    closing     INTEGER,
    -- The whole alert, JSON.
    facts       TEXT NOT NULL
);
CREATE INDEX alerts_open ON alerts (fingerprint, opened_at) WHERE closed_at IS NULL;
CREATE INDEX alerts_closing ON alerts (closes_at) WHERE closed_at IS NULL;
CREATE INDEX alerts_repeats ON alerts (id, count) WHERE closed_at IS NULL AND shadow = 0 AND count > 1;
CREATE INDEX alerts_closed ON alerts (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE alert_subscribers (
    alert        TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    subscription TEXT NOT NULL,
    endpoint     TEXT NOT NULL,
    PRIMARY KEY (alert, subscription)
) WITHOUT ROWID;

CREATE TABLE deliveries (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    subscription TEXT NOT NULL,
    endpoint     TEXT NOT NULL,
    -- 0 info to 4 critical; critical is the lane that goes first.
    severity     INTEGER NOT NULL,
    -- alert, window_closed, overflow, notice, fallback, test
    cause        TEXT NOT NULL,
    cause_id     TEXT,
    rule         TEXT NOT NULL,
    actor        TEXT NOT NULL,
    title        TEXT NOT NULL,
    -- What it counts for in the accounting, and how much it tells its reader of.
    covers       INTEGER NOT NULL,
    tells        INTEGER NOT NULL,
    notification TEXT NOT NULL,
    body         BLOB NOT NULL,
    -- SHA-256 over everything frozen: a flipped bit in a payload passes SQLite's own checks.
    checksum     BLOB NOT NULL,
    -- ready, leased, delivered, folded, dead
    state        TEXT NOT NULL,
    token        INTEGER NOT NULL DEFAULT 0,
    attempts     INTEGER NOT NULL DEFAULT 0,
    -- Leases in a row that ended without any answer recorded.
    lost         INTEGER NOT NULL DEFAULT 0,
    damaged      INTEGER NOT NULL DEFAULT 0,
    lease_until  INTEGER,
    next_at      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    -- created_at, or when a person asked for another try: giving up counts from here.
    owed_since   INTEGER NOT NULL,
    finished_at  INTEGER,
    folded_into  TEXT,
    last_reason  TEXT
);
-- Spelled with OR: SQLite sees that `state = 'ready'` implies this, but not that it implies an IN.
CREATE INDEX deliveries_owed ON deliveries (endpoint, state, severity DESC, seq, next_at, created_at)
    WHERE state = 'ready' OR state = 'leased' OR state = 'dead';
CREATE INDEX deliveries_leased ON deliveries (lease_until) WHERE state = 'leased';
CREATE INDEX deliveries_account ON deliveries (subscription, state, cause, covers) WHERE covers > 0 AND state <> 'folded';
CREATE INDEX deliveries_folded ON deliveries (folded_into, subscription, covers) WHERE state = 'folded';
CREATE INDEX deliveries_copies ON deliveries (cause_id) WHERE cause = 'fallback';
CREATE INDEX deliveries_done ON deliveries (finished_at) WHERE state = 'delivered';

CREATE TABLE attempts (
    seq        INTEGER PRIMARY KEY,
    delivery   INTEGER NOT NULL REFERENCES deliveries (seq) ON DELETE CASCADE,
    token      INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    took       INTEGER NOT NULL,
    outcome    TEXT NOT NULL,
    reason     TEXT NOT NULL
);
CREATE INDEX attempts_delivery ON attempts (delivery);

CREATE TABLE endpoints (
    endpoint    TEXT NOT NULL PRIMARY KEY,
    failures    INTEGER NOT NULL DEFAULT 0,
    last_reason TEXT,
    hold_until  INTEGER,
    -- When the hold was asked for: an older attempt's success does not lift it.
    held_at     INTEGER,
    overflow_at INTEGER,
    -- Theoretical arrival time of the rate limit (GCRA).
    tat         INTEGER
) WITHOUT ROWID;

CREATE TABLE ledger (
    seq     INTEGER PRIMARY KEY,
    source  TEXT NOT NULL,
    trace   TEXT NOT NULL,
    time    INTEGER NOT NULL,
    rule    TEXT NOT NULL,
    verdict TEXT NOT NULL,
    alert   TEXT NOT NULL,
    at      INTEGER NOT NULL
);
CREATE INDEX ledger_trace ON ledger (trace);

CREATE TABLE quarantine (
    source TEXT NOT NULL,
    id     TEXT NOT NULL,
    reason TEXT NOT NULL,
    raw    TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (source, id)
);

-- Conversations, deliveries that are told together, muting, and how endpoints stand.

-- What is written once and read once stands apart, so that a change of state rewrites little.
CREATE TABLE letters (
    -- Deferred for the sake of writes: one that may fail at once makes SQLite put aside each page it changes.
    seq          INTEGER PRIMARY KEY REFERENCES deliveries (seq) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    notification TEXT NOT NULL,
    body         BLOB NOT NULL,
    -- SHA-256 over everything frozen: a flipped bit in a payload passes SQLite's own checks.
    checksum     BLOB NOT NULL
);
INSERT INTO letters (seq, notification, body, checksum) SELECT seq, notification, body, checksum FROM deliveries;
ALTER TABLE deliveries DROP COLUMN notification;
ALTER TABLE deliveries DROP COLUMN body;
ALTER TABLE deliveries DROP COLUMN checksum;

-- A delivery in the hands of a worker stays as it is: taking it and giving it back rewrites nothing.
CREATE TABLE leases (
    seq     INTEGER PRIMARY KEY,
    -- Fencing number, and which attempt this is.
    token   INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    until   INTEGER NOT NULL
);
UPDATE deliveries SET state = 'ready', lost = lost + 1 WHERE state = 'leased';
DROP INDEX deliveries_leased;
ALTER TABLE deliveries DROP COLUMN lease_until;
DROP INDEX deliveries_owed;
-- Spelled with OR: SQLite sees that `state = 'ready'` implies this, but not that it implies an IN.
CREATE INDEX deliveries_owed ON deliveries (endpoint, state, severity DESC, seq, next_at, created_at)
    WHERE state = 'ready' OR state = 'dead';

-- When the trace was recorded that it tells of.
ALTER TABLE deliveries ADD COLUMN recorded_at INTEGER;
-- The delivery that opened the conversation; NULL in what was written before: itself.
ALTER TABLE deliveries ADD COLUMN thread TEXT;
-- By which the endpoint finds the message again.
ALTER TABLE deliveries ADD COLUMN receipt TEXT;
CREATE INDEX deliveries_conversation ON deliveries (thread, finished_at) WHERE receipt IS NOT NULL;
-- 1: the endpoint refused the first body and was given a shorter one.
ALTER TABLE deliveries ADD COLUMN reduced INTEGER NOT NULL DEFAULT 0;
-- State `held`: what shares a hold is told in one message when it ends.
ALTER TABLE deliveries ADD COLUMN hold TEXT;
-- digest, group, quiet, budget, storm
ALTER TABLE deliveries ADD COLUMN hold_kind TEXT;
ALTER TABLE deliveries ADD COLUMN hold_until INTEGER;
CREATE INDEX deliveries_held ON deliveries (hold, seq) WHERE state = 'held';
CREATE INDEX deliveries_hold_ends ON deliveries (hold_until) WHERE state = 'held';
CREATE INDEX deliveries_held_since ON deliveries (created_at) WHERE state = 'held';
CREATE INDEX deliveries_hold_kinds ON deliveries (hold_kind, created_at) WHERE hold_kind IS NOT NULL;

DROP INDEX deliveries_done;
CREATE INDEX deliveries_done ON deliveries (state, finished_at) WHERE state = 'delivered' OR state = 'cancelled';

-- As it was, with the thread; and deferred, as with letters.
CREATE TABLE alert_subscribers_in_threads (
    alert        TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    subscription TEXT NOT NULL,
    endpoint     TEXT NOT NULL,
    thread       TEXT,
    PRIMARY KEY (alert, subscription)
) WITHOUT ROWID;
INSERT INTO alert_subscribers_in_threads (alert, subscription, endpoint)
    SELECT alert, subscription, endpoint FROM alert_subscribers;
DROP TABLE alert_subscribers;
ALTER TABLE alert_subscribers_in_threads RENAME TO alert_subscribers;

-- First messages below which more of the same actor or resource is gathered.
CREATE TABLE groups (
    subscription TEXT NOT NULL,
    -- What its members share: `actor.name alice`.
    key          TEXT NOT NULL,
    -- The delivery that opened it.
    thread       TEXT NOT NULL,
    opened_at    INTEGER NOT NULL,
    closes_at    INTEGER NOT NULL,
    PRIMARY KEY (subscription, key)
) WITHOUT ROWID;
CREATE INDEX groups_closing ON groups (closes_at);

-- `count` as endpoints that edit in place show it, and since when.
ALTER TABLE alerts ADD COLUMN shown INTEGER NOT NULL DEFAULT 1;
ALTER TABLE alerts ADD COLUMN shown_at INTEGER;
CREATE INDEX alerts_grown ON alerts (shown_at) WHERE closed_at IS NULL AND shadow = 0 AND count > shown;
-- Noise budgets and the storm guard count what opened lately.
CREATE INDEX alerts_opened ON alerts (opened_at, shadow);
CREATE INDEX alerts_of_rule ON alerts (rule, opened_at, shadow);
CREATE INDEX ledger_alert ON ledger (alert) WHERE alert <> '';
-- What tells of an alert, and the copies of a delivery.
DROP INDEX deliveries_copies;
CREATE INDEX deliveries_cause ON deliveries (cause_id, cause) WHERE cause_id IS NOT NULL;

CREATE TABLE silences (
    id         TEXT NOT NULL PRIMARY KEY,
    -- JSON list of matchers.
    matchers   TEXT NOT NULL,
    starts_at  INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    author     TEXT NOT NULL,
    comment    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- When a person ended it before its time.
    expired_at INTEGER,
    -- When people were told that it ends soon.
    warned_at  INTEGER,
    -- When conversations about what it keeps back were told that it began, and that it ended.
    began_told INTEGER,
    ended_told INTEGER
) WITHOUT ROWID;
CREATE INDEX silences_end ON silences (ends_at);
CREATE INDEX silences_untold ON silences (starts_at) WHERE ended_told IS NULL;

-- What was not sent, and by what: append-only.
CREATE TABLE muted (
    seq          INTEGER PRIMARY KEY,
    alert        TEXT NOT NULL,
    rule         TEXT NOT NULL,
    severity     INTEGER NOT NULL,
    title        TEXT NOT NULL,
    -- One subscription, or empty for all.
    subscription TEXT NOT NULL,
    -- silence, inhibition, schedule
    kind         TEXT NOT NULL,
    -- Id of the silence, name of the inhibition or of the subscription.
    by_id        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    -- Alerts and repeats.
    count        INTEGER NOT NULL,
    at           INTEGER NOT NULL
);
CREATE INDEX muted_by ON muted (kind, by_id, seq);
CREATE INDEX muted_alert ON muted (alert);

-- Who used what from where, so that a message can say what is new: the first 16 bytes of a
-- SHA-256 over source, actor, kind and value; renewed at most once a day.
CREATE TABLE habits (
    key BLOB NOT NULL PRIMARY KEY,
    at  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX habits_at ON habits (at);

-- How an endpoint stands, so that a restart neither forgets nor repeats what was told of it.
ALTER TABLE endpoints ADD COLUMN failing_since INTEGER;
ALTER TABLE endpoints ADD COLUMN paused_reason TEXT;
ALTER TABLE endpoints ADD COLUMN paused_fix TEXT;
-- When people were told of this run of failures.
ALTER TABLE endpoints ADD COLUMN told_at INTEGER;
-- When its credentials were last tried without sending.
ALTER TABLE endpoints ADD COLUMN checked_at INTEGER;
-- accepted, refused, unknown
ALTER TABLE endpoints ADD COLUMN checked_as TEXT;
ALTER TABLE endpoints ADD COLUMN checked_reason TEXT;
-- Which ones: a hash, so that others are tried anew.
ALTER TABLE endpoints ADD COLUMN credentials TEXT;
-- When its subscriber confirmed, for those that must.
ALTER TABLE endpoints ADD COLUMN confirmed_at INTEGER;
-- When it unsubscribed, if it did not confirm again since.
ALTER TABLE endpoints ADD COLUMN left_at INTEGER;
-- Whom these two are about: a hash of the address, so that another one is asked anew.
ALTER TABLE endpoints ADD COLUMN subscriber TEXT;

-- Secrets of this installation: `link` signs addresses in messages.
CREATE TABLE keys (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

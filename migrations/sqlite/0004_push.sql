-- What the cloud pushes, and how long traces take on each way.

CREATE TABLE pushes (
    source        TEXT NOT NULL,
    topic_urn     TEXT NOT NULL,
    -- invited, confirmed (it was notified after that) or left.
    standing      TEXT NOT NULL,
    changed_at    INTEGER NOT NULL,
    -- Opened by a person or by `tracebell push enable`, never by itself.
    subscribe_url TEXT,
    -- The last notification that was SMN's.
    heard_at      INTEGER,
    PRIMARY KEY (source, topic_urn)
) WITHOUT ROWID;

-- Traces that were new, by how long they took from their record time until they were stored.
CREATE TABLE delays (
    -- Since 1970.
    day    INTEGER NOT NULL,
    source TEXT NOT NULL,
    -- push or poll.
    way    TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (day, source, way, bucket)
) WITHOUT ROWID;

-- The certificate by which SMN was last believed, for each source and topic: a restart need not ask for it again, while
-- whoever forges may be asking for others.

CREATE TABLE certificates (
    source     TEXT NOT NULL,
    topic_urn  TEXT NOT NULL,
    url        TEXT NOT NULL,
    -- As it was fetched, with those between it and its authority; held against the authorities anew at each start.
    pem        BLOB NOT NULL,
    fetched_at INTEGER NOT NULL,
    PRIMARY KEY (source, topic_urn)
) WITHOUT ROWID;

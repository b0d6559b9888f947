-- Files that are not what the tracker wrote, as its digests tell.
ALTER TABLE fills ADD COLUMN suspect INTEGER NOT NULL DEFAULT 0;

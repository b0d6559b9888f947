-- A JSON list of files that are not what the tracker wrote, as its digests tell.
ALTER TABLE fills ADD COLUMN suspects TEXT NOT NULL DEFAULT '[]';

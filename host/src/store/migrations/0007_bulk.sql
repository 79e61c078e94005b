-- One message to many: the order as it was given, and what became of each recipient.

CREATE TABLE bulk (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    -- what all have in common, JSON
    wanted TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    scope TEXT,
    key TEXT,
    fingerprint TEXT
) STRICT;
CREATE UNIQUE INDEX bulk_key ON bulk (scope, key) WHERE key IS NOT NULL;

CREATE TABLE bulk_recipient (
    bulk INTEGER NOT NULL,
    place INTEGER NOT NULL,
    number TEXT NOT NULL,
    -- a JSON object
    variables TEXT NOT NULL,
    -- once it is accepted
    outbox_id TEXT,
    -- why it was not
    code TEXT,
    reason TEXT,
    PRIMARY KEY (bulk, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_pending ON bulk_recipient (bulk, place) WHERE outbox_id IS NULL AND code IS NULL;

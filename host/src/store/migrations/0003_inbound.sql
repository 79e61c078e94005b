-- Messages that were told, so that none is told twice; kept as long as events.
CREATE TABLE inbound (
    client TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (client, message_id)
) STRICT, WITHOUT ROWID;

-- The last moment at which every message of an account was told.
CREATE TABLE told (
    client TEXT NOT NULL,
    account TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (client, account)
) STRICT, WITHOUT ROWID;

-- Times are milliseconds since the epoch, UTC. JSON columns hold values of the gateway's model.

CREATE TABLE session (
    client TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    linked INTEGER NOT NULL,
    account TEXT
) STRICT;

CREATE TABLE transition (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    client TEXT NOT NULL,
    at INTEGER NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX transition_by_client ON transition (client, seq);

CREATE TABLE health (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    client TEXT NOT NULL,
    at INTEGER NOT NULL,
    ok INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX health_by_client ON health (client, seq);

-- Whoever sends for a session holds its newest token; writes under an older one change nothing.
CREATE TABLE lease (
    client TEXT PRIMARY KEY,
    token INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    message_id TEXT NOT NULL UNIQUE,
    number TEXT NOT NULL,
    message TEXT NOT NULL,
    -- queued | sending | unknown | sent | not_sent
    state TEXT NOT NULL,
    code TEXT,
    reason TEXT,
    chat TEXT,
    message_key TEXT,
    ack INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0,
    token INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_work ON outbox (client, state, seq);

CREATE TABLE idempotency (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    outbox_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE address (
    client TEXT NOT NULL,
    number TEXT NOT NULL,
    address TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (client, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    envelope TEXT NOT NULL
) STRICT;

-- How far events have been turned into deliveries.
CREATE TABLE cursor (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;

CREATE TABLE delivery (
    id TEXT PRIMARY KEY,
    event_seq INTEGER NOT NULL,
    plugin TEXT NOT NULL,
    target TEXT NOT NULL,
    -- pending | delivered | dead
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    reason TEXT,
    updated_at INTEGER NOT NULL,
    UNIQUE (event_seq, plugin, target)
) STRICT;
CREATE INDEX delivery_due ON delivery (state, next_at);

CREATE TABLE kv (
    plugin TEXT NOT NULL,
    -- empty: across sessions
    session TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    version INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (plugin, session, key)
) STRICT, WITHOUT ROWID;

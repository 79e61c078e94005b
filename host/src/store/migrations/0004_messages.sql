-- Sends with a time, a deadline and a priority, and the history of each.
--
-- Built anew because an accept must stay cheap however many rows there are: every index that a new row enters grows
-- at its end. What is looked up by a random id (message_id) is indexed from the first attempt on.

CREATE TABLE outbox_new (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    message_id TEXT NOT NULL,
    number TEXT NOT NULL,
    -- queued | sending | unknown | sent | not_sent
    state TEXT NOT NULL,
    -- 0 interactive, 1 bulk
    priority INTEGER NOT NULL DEFAULT 0,
    -- 1 until not_before has come: the queue never looks at those
    held INTEGER NOT NULL DEFAULT 0,
    -- 0: at once, whatever the clock says
    not_before INTEGER NOT NULL DEFAULT 0,
    -- a queued send that failed for the moment is tried again then, and holds back its chat until then
    retry_at INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER,
    code TEXT,
    reason TEXT,
    chat TEXT,
    message_key TEXT,
    ack INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0,
    token INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;

INSERT INTO outbox_new (seq, id, client, message_id, number, state, code, reason, chat, message_key, ack, attempt, token, created_at, updated_at, message)
SELECT seq, id, client, message_id, number, state, code, reason, chat, message_key, ack, attempt, token, created_at, updated_at, message FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_new RENAME TO outbox;

CREATE INDEX outbox_queue ON outbox (client, priority, seq) WHERE state = 'queued' AND held = 0;
CREATE INDEX outbox_held ON outbox (not_before) WHERE state = 'queued' AND held = 1;
CREATE INDEX outbox_deadline ON outbox (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;
CREATE INDEX outbox_begun ON outbox (client, seq) WHERE state IN ('sending', 'unknown');
CREATE INDEX outbox_done ON outbox (updated_at) WHERE state IN ('sent', 'not_sent');
CREATE UNIQUE INDEX outbox_message ON outbox (message_id) WHERE attempt > 0;

CREATE TABLE message_history (
    -- outbox.seq
    message INTEGER NOT NULL,
    step INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- accepted | verdict | sending | requeued | unknown | not_sent | sent | ack | retried
    kind TEXT NOT NULL,
    -- a JSON object
    detail TEXT NOT NULL,
    PRIMARY KEY (message, step)
) STRICT, WITHOUT ROWID;

-- A send is kept as long as a key names it; a key is forgotten by its age.
CREATE INDEX idempotency_message ON idempotency (outbox_id);
CREATE INDEX idempotency_age ON idempotency (created_at);

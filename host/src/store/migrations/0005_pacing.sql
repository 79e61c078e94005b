-- What pacing counts: when a session sent, whom it knows, and whether it may send at all.

CREATE TABLE paced (
    client TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- outbox.seq
    message INTEGER NOT NULL,
    -- 1: to somebody who was not known
    cold INTEGER NOT NULL,
    PRIMARY KEY (client, at, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX paced_cold ON paced (client, at) WHERE cold = 1;

-- Who has had a message of the session, or wrote to it.
CREATE TABLE recipient (
    client TEXT NOT NULL,
    number TEXT NOT NULL,
    PRIMARY KEY (client, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE sending (
    client TEXT PRIMARY KEY,
    -- since when it is paused by hand
    paused_at INTEGER,
    -- its first send, where warming up begins
    first_at INTEGER
) STRICT;

INSERT INTO recipient SELECT DISTINCT client, number FROM outbox WHERE state = 'sent';
INSERT INTO sending (client, first_at) SELECT client, min(created_at) FROM outbox WHERE attempt > 0 GROUP BY client;

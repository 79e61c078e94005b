-- What plugins decided about messages, so that it can be explained and asked again.

-- The verdicts of one moment: of the acceptance, or of the time of sending.
CREATE TABLE decision (
    -- outbox.seq * 4096, and the number of the decision about this message, from 1. One number as the key of a table
    -- with rowids: a row of more than 1000 bytes in a table without them takes a page of its own.
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    -- a JSON object: which versions of which plugins answered what
    calls TEXT NOT NULL,
    -- a JSON object: what they saw and read, which includes what the message says; null once that was deleted
    details TEXT
) STRICT;

-- Triggers, so that nothing a message says outlives it, whoever deletes it.
CREATE TRIGGER decision_redacted AFTER UPDATE OF redacted ON outbox WHEN NEW.redacted = 1 BEGIN
    UPDATE decision SET details = NULL WHERE id BETWEEN NEW.seq * 4096 AND NEW.seq * 4096 + 4095 AND details IS NOT NULL;
END;
CREATE TRIGGER decision_deleted AFTER DELETE ON outbox BEGIN
    DELETE FROM decision WHERE id BETWEEN OLD.seq * 4096 AND OLD.seq * 4096 + 4095;
END;

-- The verdicts about messages that were refused and have no row in the outbox.
CREATE TABLE refusal (
    -- the id that the message would have had
    id TEXT NOT NULL PRIMARY KEY,
    client TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- as in decision
    calls TEXT NOT NULL,
    details TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX refusal_age ON refusal (at);
CREATE INDEX refusal_body ON refusal (at) WHERE details IS NOT NULL;

-- A request is recognised by what was asked for.

-- Digest of the request with its recipients as they were written. Rows of earlier versions have none: their fingerprint is
-- compared with what those versions would have made of the request.
ALTER TABLE idempotency ADD COLUMN written TEXT;
ALTER TABLE bulk ADD COLUMN written TEXT;

-- held = 3: accepted for another account than the session has now. Out of the line until somebody releases or cancels it.
CREATE INDEX outbox_kept ON outbox (client, priority, seq) WHERE state = 'queued' AND held = 3;

-- 1: its recipients who are not taken in are held likewise.
ALTER TABLE bulk ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;

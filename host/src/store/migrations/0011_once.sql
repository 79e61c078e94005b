-- A request is recognised by what was asked for.

-- Digest of the request with its recipients as they were written. Rows of earlier versions have none: their fingerprint is
-- compared with what those versions would have made of the request.
ALTER TABLE idempotency ADD COLUMN written TEXT;
ALTER TABLE bulk ADD COLUMN written TEXT;

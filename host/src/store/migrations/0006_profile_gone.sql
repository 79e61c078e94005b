-- A send that was begun by a profile that is gone: no page can be asked about it any more.
ALTER TABLE outbox ADD COLUMN profile_gone INTEGER NOT NULL DEFAULT 0;

-- Deliveries are taken up receiver by receiver, and dead letters are found by theirs.

-- When it was made, and since when it waits: a dead letter that is taken up again waits anew.
ALTER TABLE delivery ADD COLUMN made_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN waits_since INTEGER NOT NULL DEFAULT 0;
UPDATE delivery SET made_at = coalesce((SELECT at FROM event WHERE seq = event_seq), updated_at), waits_since = updated_at;

-- state: pending | delivered | dead | stale
DROP INDEX delivery_due;
CREATE INDEX delivery_line ON delivery (plugin, target, next_at) WHERE state = 'pending';
CREATE INDEX delivery_dead ON delivery (plugin, target, id) WHERE state = 'dead';

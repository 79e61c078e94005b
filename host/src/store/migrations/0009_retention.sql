-- What messages say goes before what is known of them.

-- 1: what it said was deleted.
ALTER TABLE outbox ADD COLUMN redacted INTEGER NOT NULL DEFAULT 0;
-- What can never change again, also sends that were begun by a profile that is gone. A row enters it when it ends, as
-- before: an accept writes into no further index.
DROP INDEX outbox_done;
CREATE INDEX outbox_done ON outbox (redacted, updated_at)
WHERE (state IN ('sent', 'not_sent') OR (state IN ('sending', 'unknown') AND profile_gone = 1));

-- 1: it holds what a message says.
ALTER TABLE event ADD COLUMN body INTEGER NOT NULL DEFAULT 0;
UPDATE event SET body = 1 WHERE envelope ->> '$.event.type' IN ('message_sent', 'message_failed', 'message_received');
CREATE INDEX event_body ON event (at) WHERE body = 1;

ALTER TABLE bulk ADD COLUMN redacted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX bulk_body ON bulk (created_at) WHERE redacted = 0;

CREATE INDEX inbound_age ON inbound (at);

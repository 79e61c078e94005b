-- Recipients may be chats: what was a number is a number, `…@lid` (a person) or `…@g.us` (a group).

-- Which number is behind an opaque id, as far as anybody has said so. Both sides are unique: a number that has changed
-- hands is behind its newest id only.
CREATE TABLE alias (
    client TEXT NOT NULL,
    lid TEXT NOT NULL,
    number TEXT NOT NULL,
    PRIMARY KEY (client, lid)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX alias_number ON alias (client, number);
INSERT OR REPLACE INTO alias (client, lid, number)
SELECT client, address ->> '$.lid', number FROM address WHERE iif(json_valid(address), address ->> '$.lid', NULL) IS NOT NULL ORDER BY at;

ALTER TABLE outbox RENAME COLUMN number TO recipient;
-- In whose line a send stands: the recipient, or the number that is known to be behind it. Order, strangers and what
-- holds back go by this, so a number and its opaque id are one chat.
ALTER TABLE outbox ADD COLUMN line TEXT NOT NULL DEFAULT '';
UPDATE outbox SET line = recipient;
DROP INDEX outbox_parked_for;
CREATE INDEX outbox_parked_for ON outbox (client, line, priority, seq) WHERE state = 'queued' AND held = 2;
-- Those whose line changes when a number becomes known. Accepts of numbers write nothing into it.
CREATE INDEX outbox_lids ON outbox (client, line) WHERE substr(line, -4) = '@lid' AND state IN ('queued', 'sending', 'unknown');

ALTER TABLE bulk_recipient RENAME COLUMN number TO recipient;

-- Who has had a message of the session, or wrote to it; by their line.
CREATE TABLE acquaintance (
    client TEXT NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (client, line)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO acquaintance
SELECT client, coalesce((SELECT alias.number FROM alias WHERE alias.client = recipient.client AND alias.lid = recipient.number), number) FROM recipient;
DROP TABLE recipient;

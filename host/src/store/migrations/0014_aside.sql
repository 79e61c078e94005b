-- How much each namespace of the plugins' storage holds, so that a write need not count it, whatever is in it.

CREATE TABLE kv_space (
    plugin TEXT NOT NULL,
    session TEXT NOT NULL,
    -- of keys and values, expired ones too
    bytes INTEGER NOT NULL,
    PRIMARY KEY (plugin, session)
) STRICT, WITHOUT ROWID;

INSERT INTO kv_space SELECT plugin, session, sum(length(CAST(key AS BLOB)) + length(value)) FROM kv GROUP BY plugin, session;

-- Triggers, so that the sum is right whoever writes, by hand too. `INSERT OR REPLACE` fires none for the row that it
-- replaces: say `ON CONFLICT … DO UPDATE`.
CREATE TRIGGER kv_inserted AFTER INSERT ON kv BEGIN
    INSERT INTO kv_space VALUES (NEW.plugin, NEW.session, length(CAST(NEW.key AS BLOB)) + length(NEW.value))
    ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER kv_updated AFTER UPDATE OF value ON kv BEGIN
    UPDATE kv_space SET bytes = bytes + length(NEW.value) - length(OLD.value) WHERE plugin = NEW.plugin AND session = NEW.session;
END;
CREATE TRIGGER kv_deleted AFTER DELETE ON kv BEGIN
    UPDATE kv_space SET bytes = bytes - length(CAST(OLD.key AS BLOB)) - length(OLD.value) WHERE plugin = OLD.plugin AND session = OLD.session;
END;

CREATE INDEX kv_expiry ON kv (plugin, session, expires_at) WHERE expires_at IS NOT NULL;

-- held: 4 and more, it cannot be read; the rest is why it was held before. Out of the line until the next start.
CREATE INDEX outbox_aside ON outbox (client) WHERE held >= 4;

-- Written when somebody asks whether the database takes writes.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;

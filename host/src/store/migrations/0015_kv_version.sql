-- A namespace of the plugins' storage gives no version twice, also not to a key that was deleted or has expired.

-- The highest version that was given to a key of the namespace.
ALTER TABLE kv_space ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
UPDATE kv_space SET version = coalesce((SELECT max(kv.version) FROM kv WHERE kv.plugin = kv_space.plugin AND kv.session = kv_space.session), 0);

DROP TRIGGER kv_inserted;
DROP TRIGGER kv_updated;
CREATE TRIGGER kv_inserted AFTER INSERT ON kv BEGIN
    INSERT INTO kv_space (plugin, session, bytes, version)
    VALUES (NEW.plugin, NEW.session, length(CAST(NEW.key AS BLOB)) + length(NEW.value), NEW.version)
    ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, version = max(version, excluded.version);
END;
CREATE TRIGGER kv_updated AFTER UPDATE OF value, version ON kv BEGIN
    UPDATE kv_space SET bytes = bytes + length(NEW.value) - length(OLD.value), version = max(version, NEW.version)
    WHERE plugin = NEW.plugin AND session = NEW.session;
END;

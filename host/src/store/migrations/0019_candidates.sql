-- Calls that the candidate of a plugin answered otherwise than the plugin.
CREATE TABLE candidate_difference (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    plugin TEXT NOT NULL,
    client TEXT NOT NULL,
    -- the id of the message, which may have been refused
    message TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- a JSON object: the two answers, without anything that the message says
    facts TEXT NOT NULL,
    -- a JSON object: the words of the two answers, which may quote the message; null once they were deleted
    details TEXT
) STRICT;

CREATE INDEX candidate_difference_plugin ON candidate_difference (plugin, id);
CREATE INDEX candidate_difference_message ON candidate_difference (message);
CREATE INDEX candidate_difference_age ON candidate_difference (at);
CREATE INDEX candidate_difference_body ON candidate_difference (at) WHERE details IS NOT NULL;

CREATE TRIGGER candidate_difference_redacted AFTER UPDATE OF redacted ON outbox WHEN NEW.redacted = 1 BEGIN
    UPDATE candidate_difference SET details = NULL WHERE message = NEW.id AND details IS NOT NULL;
END;
CREATE TRIGGER candidate_difference_deleted AFTER DELETE ON outbox BEGIN
    DELETE FROM candidate_difference WHERE message = OLD.id;
END;

-- The configurations of validators, once each, so that decisions can be made again with the one that they were made with.
CREATE TABLE plugin_config (
    -- SHA-256 of the configuration in hex, as in the calls of a decision
    digest TEXT NOT NULL PRIMARY KEY,
    -- a JSON object, as the plugin gets it
    config TEXT NOT NULL,
    -- when a plugin was last known to be loaded with it
    used INTEGER NOT NULL
) STRICT;

-- For reports about a time.
CREATE INDEX decision_age ON decision (at);

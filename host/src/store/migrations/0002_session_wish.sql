-- What people want of sessions: those made through the API exist by this row alone.

CREATE TABLE session_wish (
    client TEXT PRIMARY KEY,
    -- it shall run
    wanted INTEGER NOT NULL,
    -- made through the API, not named in the configuration
    made INTEGER NOT NULL,
    -- pairs that its events carry, a JSON array of arrays
    metadata TEXT NOT NULL
) STRICT;

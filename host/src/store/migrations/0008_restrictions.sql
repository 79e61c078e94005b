-- What WhatsApp does not let a session do: nobody new is written to until then.
CREATE TABLE restriction (
    client TEXT NOT NULL,
    -- reach_out_time_lock | new_chat_limit
    kind TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (client, kind)
) STRICT, WITHOUT ROWID;

-- held = 2: to a stranger, while no stranger may be written to. Out of the line, so that looking for what may go does
-- not cost more the more wait.
CREATE INDEX outbox_parked ON outbox (client, priority, seq) WHERE state = 'queued' AND held = 2;
CREATE INDEX outbox_parked_for ON outbox (client, number, priority, seq) WHERE state = 'queued' AND held = 2;

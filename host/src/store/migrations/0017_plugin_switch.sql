-- Plugins that were switched on or off for a session, whatever `sessions` of their entries says.
CREATE TABLE plugin_switch (
    client TEXT NOT NULL,
    -- the name of the plugin; it need not be loaded
    plugin TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    PRIMARY KEY (client, plugin)
) STRICT, WITHOUT ROWID;

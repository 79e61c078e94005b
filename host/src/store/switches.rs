//! Plugins that were switched on or off for single sessions.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, StoreError};
use crate::model::ClientId;

/// A plugin that was switched on or off for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSwitch {
    /// The session.
    pub client: ClientId,
    /// The name of the plugin.
    pub plugin: String,
    /// Whether it was switched on.
    pub enabled: bool,
}

impl Store {
    /// All switches of plugins.
    ///
    /// # Errors
    /// When the database cannot be read, or a row of it: a plugin that was switched off must not
    /// come back because of that.
    pub async fn plugin_switches(&self) -> Result<Vec<PluginSwitch>, StoreError> {
        let rows = sqlx::query(
            "SELECT client, plugin, enabled FROM plugin_switch ORDER BY client, plugin",
        )
        .fetch_all(&mut *self.readers.get().await?)
        .await?;
        let read = |row: &SqliteRow| {
            let client: String = row.try_get("client")?;
            Ok(PluginSwitch {
                client: client
                    .parse()
                    .map_err(|error: crate::model::InvalidClientId| {
                        StoreError::Corrupt(error.to_string())
                    })?,
                plugin: row.try_get("plugin")?,
                enabled: row.try_get("enabled")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Switches a plugin on or off for a session, or takes that back.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn switch_plugin(
        &self,
        client: &ClientId,
        plugin: &str,
        enabled: Option<bool>,
    ) -> Result<(), StoreError> {
        let (client, plugin) = (client.to_string(), plugin.to_owned());
        let statement = match enabled {
            Some(enabled) => sqlx::query(
                "INSERT INTO plugin_switch (client, plugin, enabled) VALUES (?, ?, ?)
                 ON CONFLICT (client, plugin) DO UPDATE SET enabled = excluded.enabled",
            )
            .bind(client)
            .bind(plugin)
            .bind(enabled),
            None => sqlx::query("DELETE FROM plugin_switch WHERE client = ? AND plugin = ?")
                .bind(client)
                .bind(plugin),
        };
        self.writer.statement(statement).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch;

    #[tokio::test]
    async fn a_switch_is_kept_changed_taken_back_and_goes_with_its_session() {
        let (dir, store) = scratch().await;
        let client: ClientId = "sales".parse().expect("id");
        let switch = |plugin: &str, enabled| PluginSwitch {
            client: client.clone(),
            plugin: plugin.into(),
            enabled,
        };
        for (plugin, enabled) in [
            ("a", Some(true)),
            ("b", Some(true)),
            ("c", Some(false)),
            ("a", Some(false)),
            ("c", None),
            ("never", None),
        ] {
            store
                .switch_plugin(&client, plugin, enabled)
                .await
                .expect("kept");
        }
        store.close().await;
        let store = Store::open(&dir.path().join("wharf.db"))
            .await
            .expect("opened again");
        assert_eq!(
            store.plugin_switches().await.expect("read"),
            [switch("a", false), switch("b", true)]
        );
        store.forget_session(&client).await.expect("forgotten");
        assert_eq!(store.plugin_switches().await.expect("read"), []);
    }
}

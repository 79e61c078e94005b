//! Desired state of sessions: which are to run, and which were created through the API.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, StoreError, accounts};
use crate::model::ClientId;

/// The desired state of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionWish {
    /// The session's id.
    pub client: ClientId,
    /// Whether it is to run.
    pub wanted: bool,
    /// Whether it was created through the API; `false` if it is named in the configuration.
    pub made: bool,
    /// Key-value pairs that its events carry.
    pub metadata: Vec<(String, String)>,
}

impl Store {
    /// The desired states of all sessions, in the order of their ids.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn session_wishes(&self) -> Result<Vec<SessionWish>, StoreError> {
        let rows =
            sqlx::query("SELECT client, wanted, made, metadata FROM session_wish ORDER BY client")
                .fetch_all(&mut *self.readers.get().await?)
                .await?;
        let name = |row: &SqliteRow| row.try_get("client").unwrap_or_default();
        let read = |row: &SqliteRow| {
            let client: String = row.try_get("client")?;
            let metadata: String = row.try_get("metadata")?;
            // Unreadable metadata must not hide the session.
            let metadata = self
                .unreadable
                .ok_or_report(
                    "session_wish",
                    || name(row),
                    serde_json::from_str(&metadata),
                )
                .unwrap_or_default();
            Ok::<_, StoreError>(SessionWish {
                client: client
                    .parse()
                    .map_err(|error: crate::model::InvalidClientId| {
                        StoreError::Corrupt(error.to_string())
                    })?,
                wanted: row.try_get("wanted")?,
                made: row.try_get("made")?,
                metadata,
            })
        };
        Ok(rows
            .iter()
            .filter_map(|row| {
                self.unreadable
                    .ok_or_report("session_wish", || name(row), read(row))
            })
            .collect())
    }

    /// Stores a desired state. If the session is known already, only `wanted` is changed.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn wish_session(&self, wish: SessionWish) -> Result<(), StoreError> {
        let metadata = serde_json::to_string(&wish.metadata)?;
        let sql = "INSERT INTO session_wish (client, wanted, made, metadata) VALUES (?, ?, ?, ?)
                   ON CONFLICT (client) DO UPDATE SET wanted = excluded.wanted";
        self.writer
            .statement(
                sqlx::query(sql)
                    .bind(wish.client.to_string())
                    .bind(wish.wanted)
                    .bind(wish.made)
                    .bind(metadata),
            )
            .await
            .map(drop)
    }

    /// Stores the desired state of a session that is created through the API. It replaces what is
    /// stored under the id, because that belongs to an earlier session, such as one that the
    /// configuration named.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn make_session(
        &self,
        client: &ClientId,
        wanted: bool,
        metadata: &[(String, String)],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO session_wish (client, wanted, made, metadata) VALUES (?, ?, 1, ?)
                   ON CONFLICT (client) DO UPDATE SET wanted = excluded.wanted, made = 1, metadata = excluded.metadata";
        self.writer
            .statement(
                sqlx::query(sql)
                    .bind(client.to_string())
                    .bind(wanted)
                    .bind(serde_json::to_string(metadata)?),
            )
            .await
            .map(drop)
    }

    /// Deletes a session: its desired state, state and history, and what it has learned about its
    /// account. Its messages and events stay until their own retention time has passed.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_session(&self, client: &ClientId) -> Result<(), StoreError> {
        let (owner, client) = (client, client.to_string());
        let work = self.writer.write(move |connection| {
            Box::pin(async move {
                for sql in [
                    "DELETE FROM session_wish WHERE client = ?",
                    "DELETE FROM session WHERE client = ?",
                    "DELETE FROM transition WHERE client = ?",
                    "DELETE FROM health WHERE client = ?",
                    "DELETE FROM told WHERE client = ?",
                    "DELETE FROM plugin_switch WHERE client = ?",
                ] {
                    sqlx::query(sql)
                        .bind(&client)
                        .execute(&mut *connection)
                        .await?;
                }
                accounts::unlearn(connection, &client).await
            })
        });
        work.await?;
        self.addresses.forget(owner);
        self.aliases.forget(owner);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch;

    #[tokio::test]
    async fn a_wish_is_kept_and_forgotten() {
        let (_dir, store) = scratch().await;
        let client: ClientId = "sales".parse().expect("id");
        let wish = SessionWish {
            client: client.clone(),
            wanted: true,
            made: true,
            metadata: vec![("team".into(), "sales".into())],
        };
        store.wish_session(wish.clone()).await.expect("kept");
        store
            .wish_session(SessionWish {
                wanted: false,
                made: false,
                metadata: vec![],
                ..wish.clone()
            })
            .await
            .expect("kept");
        assert_eq!(
            store.session_wishes().await.expect("read"),
            [SessionWish {
                wanted: false,
                ..wish
            }],
            "only the wish itself changes"
        );
        store.forget_session(&client).await.expect("forgotten");
        assert_eq!(store.session_wishes().await.expect("read"), []);
    }

    #[tokio::test]
    async fn a_session_that_is_made_replaces_the_wish_of_one_that_the_configuration_named() {
        let (_dir, store) = scratch().await;
        let client: ClientId = "sales".parse().expect("id");
        let named = SessionWish {
            client: client.clone(),
            wanted: false,
            made: false,
            metadata: vec![],
        };
        store.wish_session(named).await.expect("kept");
        let metadata = vec![("team".to_owned(), "sales".to_owned())];
        store
            .make_session(&client, true, &metadata)
            .await
            .expect("made");
        assert_eq!(
            store.session_wishes().await.expect("read"),
            [SessionWish {
                client,
                wanted: true,
                made: true,
                metadata,
            }]
        );
    }
}

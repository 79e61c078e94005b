//! What pacing needs: which messages were sent when, and who is an acquaintance.

use std::collections::HashSet;

use sqlx::{Row, SqliteConnection};

use super::{Store, StoreError, outbox, script::Script};
use crate::model::{ClientId, InvalidRecipient, Recipient, Timestamp};

/// See [`Store::look`].
pub(super) const LOOK: &str =
    "SELECT (SELECT paused_at FROM sending WHERE client = ?1) AS paused_at, (SELECT first_at FROM sending WHERE client = ?1) AS first_at,
     EXISTS (SELECT 1 FROM restriction WHERE client = ?1) AS restricted,
     EXISTS (SELECT 1 FROM outbox WHERE client = ?1 AND state = 'queued' AND held = 2) AS parked,
     (SELECT json_group_array(line) FROM outbox WHERE client = ?1 AND state IN ('sending', 'unknown') AND message_key IS NULL
         AND profile_gone = 0 AND held < 4) AS in_doubt";
/// See [`Store::paced`].
pub(super) const PACED: &str =
    "SELECT at FROM paced WHERE client = ? ORDER BY at DESC LIMIT 1 OFFSET ?";
/// As [`PACED`], of messages to strangers only.
pub(super) const PACED_COLD: &str =
    "SELECT at FROM paced WHERE client = ? AND cold = 1 ORDER BY at DESC LIMIT 1 OFFSET ?";

/// The sending state of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sending {
    /// Since when it is paused by a person, if it is.
    pub paused_at: Option<Timestamp>,
    /// When it began to send its first message.
    pub first_at: Option<Timestamp>,
    /// Whether WhatsApp does not let it write to strangers.
    pub restricted: bool,
    /// Whether messages to strangers are parked.
    pub parked: bool,
}

/// Adds the counting of a message whose sending begins to a script.
pub(super) fn count(
    script: &mut Script,
    client: &str,
    message: i64,
    cold: bool,
    now: i64,
) -> Result<(), StoreError> {
    script.add("INSERT OR IGNORE INTO paced (client, at, message, cold) VALUES (?, ?, ?, ?)");
    script.bind(client)?;
    script.bind(now)?;
    script.bind(message)?;
    script.bind(cold)?;
    script.add(
        "INSERT INTO sending (client, first_at) VALUES (?, ?) ON CONFLICT (client) DO UPDATE SET first_at = excluded.first_at WHERE first_at IS NULL",
    );
    script.bind(client)?;
    script.bind(now)
}

/// Adds acquaintances, given by number or opaque id. An id whose number is known is stored by that
/// number. Messages that were parked for them return to the queue.
pub(super) async fn know(
    connection: &mut SqliteConnection,
    client: &str,
    who: &[String],
) -> Result<(), StoreError> {
    if who.is_empty() {
        return Ok(());
    }
    let sql = "INSERT OR IGNORE INTO acquaintance (client, line)
               SELECT ?1, coalesce((SELECT number FROM alias WHERE client = ?1 AND lid = value), value) FROM json_each(?2) RETURNING line";
    let new: Vec<String> = sqlx::query_scalar(sql)
        .bind(client)
        .bind(serde_json::to_string(who)?)
        .fetch_all(&mut *connection)
        .await?;
    for who in new {
        outbox::unpark_known(connection, client, &who).await?;
    }
    Ok(())
}

impl Store {
    /// The sending state of a session.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sending(&self, client: &ClientId) -> Result<Sending, StoreError> {
        self.look(client).await.map(|(sending, _)| sending)
    }

    /// As [`Store::sending`], together with the chats that have a message of which it is not known
    /// whether the page has it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn look(
        &self,
        client: &ClientId,
    ) -> Result<(Sending, HashSet<Recipient>), StoreError> {
        let row = sqlx::query(LOOK)
            .bind(client.as_str())
            .fetch_one(&mut *self.readers.get().await?)
            .await?;
        let time = |name: &str| {
            row.try_get::<Option<i64>, _>(name)
                .map(|at| at.map(Timestamp))
        };
        let sending = Sending {
            paused_at: time("paused_at")?,
            first_at: time("first_at")?,
            restricted: row.try_get("restricted")?,
            parked: row.try_get("parked")?,
        };
        let in_doubt: Vec<String> = serde_json::from_str(row.try_get("in_doubt")?)?;
        // No message can wait for a chat whose name cannot be parsed.
        let line = |text: &String| {
            let read = text
                .parse()
                .map_err(|error: InvalidRecipient| StoreError::Corrupt(error.to_string()));
            self.unreadable
                .ok_or_report("outbox", || text.clone(), read)
        };
        Ok((sending, in_doubt.iter().filter_map(line).collect()))
    }

    /// Pauses or resumes sending in a session. A pause survives restarts.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn pause_sending(&self, client: &ClientId, pause: bool) -> Result<(), StoreError> {
        // A second pause keeps the time of the first.
        let sql = "INSERT INTO sending (client, paused_at) VALUES (?1, ?2)
                   ON CONFLICT (client) DO UPDATE SET paused_at = iif(?2 IS NULL, NULL, coalesce(paused_at, ?2))";
        self.writer
            .statement(
                sqlx::query(sql)
                    .bind(client.to_string())
                    .bind(pause.then(|| Timestamp::now().0)),
            )
            .await
            .map(drop)
    }

    /// When the session began to send its `nth` message, counted backwards from 1 for the latest.
    /// `cold` counts only messages to strangers.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn paced(
        &self,
        client: &ClientId,
        nth: u32,
        cold: bool,
    ) -> Result<Option<Timestamp>, StoreError> {
        let at = sqlx::query_scalar(if cold { PACED_COLD } else { PACED })
            .bind(client.as_str())
            .bind(nth.saturating_sub(1))
            .fetch_optional(&mut *self.readers.get().await?)
            .await?;
        Ok(at.map(Timestamp))
    }

    /// Whether a recipient is an acquaintance: they have received a message of the session or
    /// written to it. A group always is, because the account is a member.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn knows(
        &self,
        client: &ClientId,
        recipient: &Recipient,
    ) -> Result<bool, StoreError> {
        if recipient.is_group() {
            return Ok(true);
        }
        let sql =
            "SELECT EXISTS (SELECT 1 FROM acquaintance WHERE client = ?1 AND line IN (?2, (SELECT number FROM alias WHERE client = ?1 AND lid = ?2),
                       (SELECT replace(iif(json_valid(address), address ->> '$.pn', NULL), '@c.us', '') FROM address WHERE client = ?1 AND number = ?2)))";
        Ok(sqlx::query_scalar(sql)
            .bind(client.as_str())
            .bind(recipient.to_string())
            .fetch_one(&mut *self.readers.get().await?)
            .await?)
    }

    /// Adds acquaintances of a session.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn know(&self, client: &ClientId, who: Vec<Recipient>) -> Result<(), StoreError> {
        let client = client.to_string();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let who: Vec<String> = who.iter().map(Recipient::to_string).collect();
                    know(connection, &client, &who).await
                })
            })
            .await
    }
}

//! The WhatsApp account of each session, and what happens when a session is linked to another one.
//!
//! Pacing, acquaintances, addresses and restrictions belong to the account, so they are deleted.
//! Messages that wait to be sent were accepted for the old account, so they are held (`held = 3`;
//! bulk orders by `kept`) until somebody releases or cancels them. All of that is committed
//! together with the new account, so nothing can be sent in between.

use sqlx::SqliteConnection;

use super::{Store, StoreError, events, outbox, script::Script};
use crate::model::{Account, ClientId, Envelope, Timestamp};

/// How much is held because it was accepted for another account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Messages.
    pub messages: u64,
    /// Recipients of bulk orders that are not accepted yet.
    pub recipients: u64,
}

/// A session that was linked to another account than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relinked {
    /// The account before.
    pub previous: Account,
    /// What was accepted for it and is held now.
    pub held: Held,
}

/// Statements that delete what a session has learned about its account.
const LEARNED: [&str; 6] = [
    "DELETE FROM sending WHERE client = ?",
    "DELETE FROM paced WHERE client = ?",
    "DELETE FROM acquaintance WHERE client = ?",
    "DELETE FROM alias WHERE client = ?",
    "DELETE FROM address WHERE client = ?",
    "DELETE FROM restriction WHERE client = ?",
];

/// Deletes what a session has learned about its account.
pub(super) async fn unlearn(
    connection: &mut SqliteConnection,
    client: &str,
) -> Result<(), StoreError> {
    for sql in LEARNED {
        sqlx::query(sql)
            .bind(client)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Holds the queued messages and pending bulk recipients of a session.
async fn hold(
    connection: &mut SqliteConnection,
    client: &str,
    rest: &mut Script,
) -> Result<(), StoreError> {
    outbox::hold_all(connection, client, rest).await?;
    let orders = "UPDATE bulk SET kept = 1 WHERE client = ? AND kept = 0 AND EXISTS \
                  (SELECT 1 FROM bulk_recipient r WHERE r.bulk = bulk.seq AND r.outbox_id IS NULL AND r.code IS NULL)";
    sqlx::query(orders).bind(client).execute(connection).await?;
    Ok(())
}

async fn held(connection: &mut SqliteConnection, client: &str) -> Result<Held, StoreError> {
    let sql = "SELECT (SELECT count(*) FROM outbox WHERE client = ?1 AND state = 'queued' AND held = 3), \
               (SELECT count(*) FROM bulk b JOIN bulk_recipient r ON r.bulk = b.seq WHERE b.client = ?1 AND b.kept = 1 \
                AND r.outbox_id IS NULL AND r.code IS NULL)";
    let (messages, recipients): (i64, i64) = sqlx::query_as(sql)
        .bind(client)
        .fetch_one(connection)
        .await?;
    Ok(Held {
        messages: u64::try_from(messages).unwrap_or(0),
        recipients: u64::try_from(recipients).unwrap_or(0),
    })
}

async fn noted(
    connection: &mut SqliteConnection,
    client: &str,
) -> Result<Option<Account>, StoreError> {
    let sql = "SELECT account FROM session WHERE client = ? AND account IS NOT NULL";
    let account: Option<String> = sqlx::query_scalar(sql)
        .bind(client)
        .fetch_optional(connection)
        .await?;
    Ok(account
        .map(|text| serde_json::from_str(&text))
        .transpose()?)
}

impl Store {
    /// The last known account of a session; `None` if it was never known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn account(&self, client: &ClientId) -> Result<Option<Account>, StoreError> {
        noted(&mut *self.readers.get().await?, client.as_str()).await
    }

    /// Records the account of a session. `None` means that the session has a new login whose
    /// account is not known yet.
    ///
    /// If the account differs from the recorded one, or may differ, queued messages are held and
    /// the event that `tell` returns is appended. What was learned about the old account is deleted
    /// once the new account is known. The first account that is recorded for a session is taken for
    /// the one that it always had.
    ///
    /// # Errors
    /// When the database cannot be written; then nothing was changed.
    pub async fn note_account(
        &self,
        client: &ClientId,
        account: Option<&Account>,
        tell: impl FnOnce(&Relinked) -> Envelope + Send + 'static,
    ) -> Result<Option<Relinked>, StoreError> {
        let (name, account) = (client.to_string(), account.cloned());
        let relinked = self.writer.write_then(move |connection| {
            Box::pin(async move {
                let mut rest = Script::default();
                let previous = noted(connection, &name).await?;
                let other = previous.clone().filter(|previous| !account.as_ref().is_some_and(|account| account.is(previous)));
                if let Some(account) = &account {
                    let sql = "UPDATE session SET account = ? WHERE client = ?";
                    let account = other.is_none().then_some(previous).flatten().map_or_else(|| account.clone(), |previous| account.over(previous));
                    sqlx::query(sql).bind(serde_json::to_string(&account)?).bind(&name).execute(&mut *connection).await?;
                }
                let Some(previous) = other else { return Ok((None, rest)) };
                if account.is_some() {
                    unlearn(connection, &name).await?;
                }
                // The page of the new account knows nothing about messages of the old one.
                let begun = "UPDATE outbox SET profile_gone = 1 WHERE client = ? AND state IN ('sending', 'unknown') AND profile_gone = 0";
                sqlx::query(begun).bind(&name).execute(&mut *connection).await?;
                hold(connection, &name, &mut rest).await?;
                let relinked = Relinked { previous, held: held(connection, &name).await? };
                events::insert_all(&mut rest, &[tell(&relinked)])?;
                Ok((Some(relinked), rest))
            })
        });
        let relinked = relinked.await?;
        if relinked.is_some() {
            self.addresses.forget(client);
            self.aliases.forget(client);
        }
        Ok(relinked)
    }

    /// Makes sure that a newly created session inherits nothing from an earlier one of the same id:
    /// what was learned is deleted, and what waits to be sent is held.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn begin_anew(&self, client: &ClientId) -> Result<(), StoreError> {
        let name = client.to_string();
        let work = self.writer.write_then(move |connection| {
            Box::pin(async move {
                let mut rest = Script::default();
                unlearn(connection, &name).await?;
                hold(connection, &name, &mut rest).await?;
                Ok(((), rest))
            })
        });
        work.await?;
        self.addresses.forget(client);
        self.aliases.forget(client);
        Ok(())
    }

    /// What is held because it was accepted for another account.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn held(&self, client: &ClientId) -> Result<Held, StoreError> {
        held(&mut *self.readers.get().await?, client.as_str()).await
    }

    /// Releases what is held, to be sent from the session's current account. Returns how much that
    /// was.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn release_held(&self, client: &ClientId) -> Result<Held, StoreError> {
        let name = client.to_string();
        let work = self.writer.write_then(move |connection| {
            Box::pin(async move {
                let mut rest = Script::default();
                let released = held(connection, &name).await?;
                outbox::release_all(connection, &name, Timestamp::now(), &mut rest).await?;
                sqlx::query("UPDATE bulk SET kept = 0 WHERE client = ? AND kept = 1")
                    .bind(&name)
                    .execute(connection)
                    .await?;
                Ok((released, rest))
            })
        });
        work.await
    }

    /// Cancels the pending recipients of a session's held bulk orders. Returns their number.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn cancel_held_recipients(
        &self,
        client: &ClientId,
        reason: &str,
    ) -> Result<u64, StoreError> {
        let (client, reason) = (client.to_string(), reason.to_owned());
        let sql = "UPDATE bulk_recipient SET code = 'cancelled', reason = ? \
                   WHERE bulk IN (SELECT seq FROM bulk WHERE client = ? AND kept = 1) AND outbox_id IS NULL AND code IS NULL";
        self.writer
            .statement(sqlx::query(sql).bind(reason).bind(client))
            .await
    }
}

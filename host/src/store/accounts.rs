//! Whose account a session is, and what becomes of what it knows and has to do when it is another
//! one's.
//!
//! Pace, acquaintances, addresses and restrictions belong to the account: they are forgotten. What
//! waits to be sent was accepted for it: it is held (`held = 3`, and orders by `kept`) until
//! somebody releases or cancels it. All of that is one commit with the new account, so nothing can
//! leave in between.

use sqlx::SqliteConnection;

use super::{Store, StoreError, events, outbox, script::Script};
use crate::model::{Account, ClientId, Envelope, Timestamp};

/// What waits to be sent and was accepted for another account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Messages.
    pub messages: u64,
    /// Recipients of bulk orders who are not taken in.
    pub recipients: u64,
}

/// A session was linked to another account than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relinked {
    /// The account before.
    pub previous: Account,
    /// What waits and was accepted for it.
    pub held: Held,
}

/// What a session has learned of its account.
const LEARNED: [&str; 6] = [
    "DELETE FROM sending WHERE client = ?",
    "DELETE FROM paced WHERE client = ?",
    "DELETE FROM acquaintance WHERE client = ?",
    "DELETE FROM alias WHERE client = ?",
    "DELETE FROM address WHERE client = ?",
    "DELETE FROM restriction WHERE client = ?",
];

/// Forgets what a session has learned of its account.
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

/// Holds what waits to be sent for a session.
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
    /// The account of a session, as far as it was ever known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn account(&self, client: &ClientId) -> Result<Option<Account>, StoreError> {
        noted(&mut *self.readers.get().await?, client.as_str()).await
    }

    /// Notes the account of a session; none: it has a new login, and nobody knows whose. When it
    /// may be another one than before, what waits is held, what was learned is forgotten as soon as
    /// it is known to be another one, and what `tell` makes is appended. The first account that is
    /// noted for a session is taken for the one it always had.
    ///
    /// # Errors
    /// When the database refuses; nothing of it was done then.
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
                // No page can be asked any more about what another account has begun.
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

    /// Makes sure that a session which is made anew inherits nothing: what was learned under its
    /// name is forgotten, and what waits under it is held.
    ///
    /// # Errors
    /// When the database refuses.
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

    /// Lets what is held leave with the account that the session has now; how much that was.
    ///
    /// # Errors
    /// When the database refuses.
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

    /// Takes the held recipients of a session's orders in no more; how many those were.
    ///
    /// # Errors
    /// When the database refuses.
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

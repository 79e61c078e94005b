//! What is known of recipients: their addresses, and which number is behind which opaque id
//! (`…@lid`), as far as WhatsApp has said so.
//!
//! A number and its id are one chat from the moment that this is known: what was accepted for the
//! id moves to the chat of the number, where all keep the order in which they were accepted, and
//! who is known by one is known by both.

use sqlx::SqliteConnection;

use super::{Store, StoreError, addresses::Lookup, aliases::Pair, outbox, pacing};
use crate::model::{Address, ClientId, PhoneNumber, Recipient, Timestamp};

/// What an address says of both.
pub(super) fn pair(address: &Address) -> Option<Pair> {
    Some((address.lid.clone()?, address.number()?))
}

/// Notes which number is behind which id, and makes one chat of two where that is news.
pub(super) async fn learn(
    connection: &mut SqliteConnection,
    client: &str,
    mut pairs: Vec<Pair>,
) -> Result<(), StoreError> {
    pairs.dedup();
    if pairs.is_empty() {
        return Ok(());
    }
    let sql = "SELECT key FROM json_each(?2) AS said
               WHERE NOT EXISTS (SELECT 1 FROM alias WHERE client = ?1 AND lid = said.value ->> 0 AND number = said.value ->> 1)";
    let new: Vec<i64> = sqlx::query_scalar(sql)
        .bind(client)
        .bind(serde_json::to_string(&pairs)?)
        .fetch_all(&mut *connection)
        .await?;
    for (lid, number) in new
        .iter()
        .filter_map(|place| pairs.get(usize::try_from(*place).ok()?))
    {
        let number = number.digits();
        // A number that has changed hands is nobody else's any more.
        let sql = "INSERT OR REPLACE INTO alias (client, lid, number) VALUES (?, ?, ?)";
        sqlx::query(sql)
            .bind(client)
            .bind(lid)
            .bind(number)
            .execute(&mut *connection)
            .await?;
        let sql = "UPDATE outbox SET line = ?3 WHERE client = ?1 AND line = ?2 AND substr(line, -4) = '@lid' AND state IN ('queued', 'sending', 'unknown')";
        sqlx::query(sql)
            .bind(client)
            .bind(lid)
            .bind(number)
            .execute(&mut *connection)
            .await?;
        let sql = "DELETE FROM acquaintance WHERE client = ? AND line = ?";
        if sqlx::query(sql)
            .bind(client)
            .bind(lid)
            .execute(&mut *connection)
            .await?
            .rows_affected()
            > 0
        {
            pacing::know(connection, client, &[number.to_owned()]).await?;
        }
        // Of two chats of which one is known, what is parked in the other is parked no more.
        let sql = "SELECT EXISTS (SELECT 1 FROM acquaintance WHERE client = ? AND line = ?)";
        if sqlx::query_scalar(sql)
            .bind(client)
            .bind(number)
            .fetch_one(&mut *connection)
            .await?
        {
            outbox::unpark_known(connection, client, number).await?;
        }
    }
    Ok(())
}

/// WhatsApp has another form of a number that was asked for (Brazil's ninth digit, Mexico's 1):
/// that is whose chat it is.
pub(super) async fn renumber(
    connection: &mut SqliteConnection,
    client: &str,
    asked: &str,
    canonical: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET line = ?3 WHERE client = ?1 AND line = ?2 AND state IN ('queued', 'sending', 'unknown')";
    sqlx::query(sql)
        .bind(client)
        .bind(asked)
        .bind(canonical)
        .execute(&mut *connection)
        .await?;
    let sql = "SELECT EXISTS (SELECT 1 FROM acquaintance WHERE client = ? AND line = ?)";
    if sqlx::query_scalar(sql)
        .bind(client)
        .bind(canonical)
        .fetch_one(&mut *connection)
        .await?
    {
        outbox::unpark_known(connection, client, canonical).await?;
    }
    Ok(())
}

impl Store {
    /// An address that was looked up since `oldest`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn cached_address(
        &self,
        client: &ClientId,
        number: &PhoneNumber,
        oldest: Timestamp,
    ) -> Result<Option<Address>, StoreError> {
        if let Lookup::Known(answer) = self
            .addresses
            .find(&(client.clone(), number.clone()), oldest)
        {
            return Ok(answer);
        }
        let text: Option<String> = sqlx::query_scalar(
            "SELECT address FROM address WHERE client = ? AND number = ? AND at >= ?",
        )
        .bind(client.as_str())
        .bind(number.digits())
        .bind(oldest.0)
        .fetch_optional(&mut *self.readers.get().await?)
        .await?;
        Ok(text.and_then(|text| {
            self.unreadable.ok_or_report(
                "address",
                || number.to_string(),
                serde_json::from_str(&text),
            )
        }))
    }

    /// Remembers an address, and who is behind its opaque id.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn cache_address(
        &self,
        client: &ClientId,
        number: &PhoneNumber,
        address: &Address,
    ) -> Result<(), StoreError> {
        let at = Timestamp::now();
        let (key, kept) = ((client.clone(), number.clone()), address.clone());
        let (pair, canonical) = (
            pair(address),
            address.number().filter(|canonical| canonical != number),
        );
        let (owner, learned) = (client.to_string(), pair.clone());
        let (client, number, address) = (
            owner.clone(),
            number.clone(),
            serde_json::to_string(address)?,
        );
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "INSERT OR REPLACE INTO address (client, number, address, at) VALUES (?, ?, ?, ?)";
                    sqlx::query(sql).bind(&client).bind(number.digits()).bind(address).bind(at.0).execute(&mut *connection).await?;
                    if let Some(canonical) = canonical {
                        renumber(connection, &client, number.digits(), canonical.digits()).await?;
                    }
                    learn(connection, &client, pair.into_iter().collect()).await
                })
            })
            .await?;
        self.addresses.keep(key, kept, at);
        self.aliases.keep(&owner, learned.as_slice());
        Ok(())
    }

    /// Notes the number behind an opaque id, if an address says both.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn learn(&self, client: &ClientId, address: &Address) -> Result<(), StoreError> {
        let Some(pair) = pair(address) else {
            return Ok(());
        };
        let (client, kept) = (client.to_string(), [pair.clone()]);
        let owner = client.clone();
        self.writer
            .write(move |connection| {
                Box::pin(async move { learn(connection, &client, vec![pair]).await })
            })
            .await?;
        self.aliases.keep(&owner, &kept);
        Ok(())
    }

    /// What is known of a recipient without asking WhatsApp: an opaque id with the number behind
    /// it, a number with its id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn known_address(
        &self,
        client: &ClientId,
        recipient: &Recipient,
    ) -> Result<Address, StoreError> {
        let mut address = Address::of(recipient);
        if recipient.is_group() {
            return Ok(address);
        }
        if let Recipient::Number(number) = recipient
            && let Some(lid) = self.aliases.lid(client, number)
        {
            return Ok(Address { lid, ..address });
        }
        let (sql, form) = match recipient {
            Recipient::Number(_) => (
                "SELECT lid FROM alias WHERE client = ? AND number = ?",
                &mut address.lid,
            ),
            Recipient::Chat(_) => (
                "SELECT number || '@c.us' FROM alias WHERE client = ? AND lid = ?",
                &mut address.pn,
            ),
        };
        let other: Option<String> = sqlx::query_scalar(sql)
            .bind(client.as_str())
            .bind(recipient.to_string())
            .fetch_optional(&mut *self.readers.get().await?)
            .await?;
        *form = other.or_else(|| form.take());
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch;

    #[tokio::test]
    async fn a_number_that_changes_hands_is_behind_its_newest_id_only() {
        let (_dir, store) = scratch().await;
        let client: ClientId = "test".parse().expect("id");
        let number: PhoneNumber = "4915123456789".parse().expect("number");
        let of = |lid: &str| Address {
            lid: Some(lid.into()),
            ..Address::of_number(&number)
        };
        let lid = |lid: &str| lid.parse::<Recipient>().expect("lid");
        assert_eq!(
            store
                .known_address(&client, &lid("77@lid"))
                .await
                .expect("read")
                .pn,
            None
        );
        store.learn(&client, &of("77@lid")).await.expect("noted");
        store
            .learn(&client, &of("77@lid"))
            .await
            .expect("noted twice");
        assert_eq!(
            store
                .known_address(&client, &lid("77@lid"))
                .await
                .expect("read")
                .pn
                .as_deref(),
            Some("4915123456789@c.us")
        );
        assert_eq!(
            store
                .known_address(&client, &number.clone().into())
                .await
                .expect("read")
                .lid
                .as_deref(),
            Some("77@lid")
        );
        store.learn(&client, &of("88@lid")).await.expect("noted");
        assert_eq!(
            store
                .known_address(&client, &lid("77@lid"))
                .await
                .expect("read")
                .pn,
            None,
            "somebody else's now"
        );
        assert_eq!(
            store
                .known_address(&client, &number.into())
                .await
                .expect("read")
                .lid
                .as_deref(),
            Some("88@lid")
        );
    }

    #[tokio::test]
    async fn an_address_is_believed_for_a_while_and_survives_a_restart() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        let (client, number): (ClientId, _) = (
            "test".parse().expect("id"),
            "4915123456789".parse::<PhoneNumber>().expect("number"),
        );
        let address = Address {
            lid: Some("77@lid".into()),
            ..Address::of_number(&number)
        };
        let store = Store::open(&path).await.expect("store");
        assert_eq!(
            store.cached_address(&client, &number, Timestamp(0)).await,
            Ok(None)
        );
        store
            .cache_address(&client, &number, &address)
            .await
            .expect("kept");
        for store in [store, Store::open(&path).await.expect("store")] {
            assert_eq!(
                store.cached_address(&client, &number, Timestamp(0)).await,
                Ok(Some(address.clone()))
            );
            assert_eq!(
                store
                    .cached_address(&client, &number, Timestamp::now().plus_millis(1))
                    .await,
                Ok(None),
                "too old"
            );
            assert_eq!(
                store
                    .cached_address(&"other".parse().expect("id"), &number, Timestamp(0))
                    .await,
                Ok(None)
            );
            store.close().await;
        }
    }
}

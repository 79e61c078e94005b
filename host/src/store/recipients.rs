//! What is known about recipients: their addresses, and which number is behind which opaque id
//! (`…@lid`).
//!
//! A number and its opaque id are one chat as soon as WhatsApp has told that they belong together.
//! Messages accepted for the id then move to the chat of the number, where all messages keep the
//! order of acceptance. An acquaintance by one form is one by both.

use std::collections::HashSet;

use sqlx::SqliteConnection;

use super::{Store, StoreError, addresses::Lookup, aliases::Pair, outbox, pacing, script::Script};
use crate::model::{Address, ClientId, PhoneNumber, Recipient, Timestamp};

/// The statements of [`renumber`]: one for each partial index that has messages without an outcome,
/// because no index has all of them. Otherwise every row of the table would be read while all
/// writes wait.
pub(super) const RENUMBER: [&str; 6] = [
    "UPDATE outbox SET line = ? WHERE client = ? AND line = ? AND state = 'queued' AND held = 0",
    "UPDATE outbox SET line = ? WHERE client = ? AND line = ? AND state = 'queued' AND held = 1",
    "UPDATE outbox SET line = ? WHERE client = ? AND line = ? AND state = 'queued' AND held = 2",
    "UPDATE outbox SET line = ? WHERE client = ? AND line = ? AND state = 'queued' AND held = 3",
    "UPDATE outbox SET line = ? WHERE client = ? AND line = ? AND state = 'queued' AND held >= 4",
    "UPDATE outbox SET line = ? WHERE client = ? AND line = ? AND state IN ('sending', 'unknown')",
];

/// The opaque id and the number of an address, if it has both.
pub(super) fn pair(address: &Address) -> Option<Pair> {
    Some((address.lid.clone()?, address.number()?))
}

/// Records which number is behind which opaque id, and merges the two chats of each new pair. Of
/// pairs that contradict each other the last one counts, as in the cache (`aliases`).
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
    let new: HashSet<usize> = new
        .into_iter()
        .filter_map(|place| usize::try_from(place).ok())
        .collect();
    let mut changed = HashSet::<&str>::new();
    for (place, (lid, number)) in pairs.iter().enumerate() {
        let number = number.digits();
        // A pair that was in the table may have been replaced by one before it in this list.
        if !new.contains(&place) && !changed.contains(lid.as_str()) && !changed.contains(number) {
            continue;
        }
        changed.extend([lid.as_str(), number]);
        // `OR REPLACE` removes the earlier id of a number that now belongs to somebody else.
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
        // If the number is an acquaintance, messages that were parked for the id return to the
        // queue.
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

/// Moves messages from the chat of a number as requested to the chat of WhatsApp's canonical form
/// of it (Brazil's ninth digit, Mexico's 1).
pub(super) async fn renumber(
    connection: &mut SqliteConnection,
    client: &str,
    asked: &str,
    canonical: &str,
) -> Result<(), StoreError> {
    let mut script = Script::default();
    for sql in RENUMBER {
        script.add(sql);
        script.bind(canonical.to_owned())?;
        script.bind(client.to_owned())?;
        script.bind(asked.to_owned())?;
    }
    script.run(&mut *connection, "", "").await?;
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
    /// The cached address of a number, unless it was looked up before `oldest`.
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

    /// Caches an address, and records the number behind its opaque id.
    ///
    /// # Errors
    /// When the database cannot be written.
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

    /// Records the number behind an opaque id, if the address has both.
    ///
    /// # Errors
    /// When the database cannot be written.
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

    /// The address of a recipient as far as it is known without asking WhatsApp: an opaque id with
    /// its number, a number with its opaque id.
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
    async fn of_pairs_that_contradict_each_other_the_last_one_counts() {
        let (_dir, store) = scratch().await;
        let pair = |lid: &str, number: &str| -> Pair {
            (lid.into(), number.parse::<PhoneNumber>().expect("number"))
        };
        let (one, other) = ("4915123456781", "4915123456782");
        let said = [
            pair("77@lid", one),
            pair("88@lid", one),
            pair("77@lid", one),
            pair("99@lid", other),
        ];
        for pairs in [&said[..1], &said[..]] {
            let pairs = pairs.to_vec();
            store
                .writer
                .write(move |connection| {
                    Box::pin(async move { learn(connection, "test", pairs).await })
                })
                .await
                .expect("learned");
        }
        let table: Vec<(String, String)> =
            sqlx::query_as("SELECT lid, number FROM alias ORDER BY lid")
                .fetch_all(&mut *store.readers.get().await.expect("reader"))
                .await
                .expect("read");
        let wanted = [("77@lid", one), ("99@lid", other)];
        assert_eq!(
            table,
            wanted.map(|(lid, number)| (lid.to_owned(), number.to_owned()))
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

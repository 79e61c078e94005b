//! Addresses that were looked up.
//!
//! Every accept asks for one, so they are kept in memory as long as they are few; the table is what lasts.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Store, StoreError, aliases, aside::Aside, readers::Readers};
use crate::model::{Address, ClientId, InvalidRecipient, PhoneNumber, Timestamp};

/// Addresses in memory, a few hundred bytes each. Beyond them the table is asked.
const KEPT: usize = 50_000;

/// What is in the table, as far as it is in memory.
#[derive(Debug, Clone)]
pub(super) struct Addresses(Arc<RwLock<Known>>);

#[derive(Debug)]
struct Known {
    addresses: HashMap<(ClientId, PhoneNumber), (Address, Timestamp)>,
    /// Nothing else is in the table.
    complete: bool,
}

enum Answer {
    Is(Option<Address>),
    AskTheTable,
}

/// Forgets what is no JSON: it would fail the statements that look into addresses, and is looked up anew.
pub(super) async fn drop_broken(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM address WHERE NOT json_valid(address)").execute(connection).await.map(drop)
}

type Entry = ((ClientId, PhoneNumber), (Address, Timestamp));

fn read(row: &SqliteRow) -> Result<Entry, StoreError> {
    let (client, number): (String, String) = (row.try_get("client")?, row.try_get("number")?);
    let client = client.parse().map_err(|_| StoreError::Corrupt(format!("client id {client:?}")))?;
    let number = number.parse().map_err(|error: InvalidRecipient| StoreError::Corrupt(error.to_string()))?;
    let address = serde_json::from_str(&row.try_get::<String, _>("address")?)?;
    Ok(((client, number), (address, Timestamp(row.try_get("at")?))))
}

impl Addresses {
    pub(super) async fn load(readers: &Readers, aside: &Aside) -> Result<Self, StoreError> {
        let limit = i64::try_from(KEPT).unwrap_or(i64::MAX);
        let rows = sqlx::query("SELECT client, number, address, at FROM address LIMIT ?").bind(limit).fetch_all(&mut *readers.get().await?).await?;
        let mut addresses = HashMap::with_capacity(rows.len());
        let complete = rows.len() < KEPT;
        // One that cannot be read is looked up anew, and written over then.
        addresses.extend(rows.iter().filter_map(|row| aside.readable("address", || row.try_get("number").unwrap_or_default(), read(row))));
        Ok(Self(Arc::new(RwLock::new(Known { addresses, complete }))))
    }

    fn find(&self, key: &(ClientId, PhoneNumber), oldest: Timestamp) -> Answer {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match known.addresses.get(key) {
            Some((address, at)) => Answer::Is((*at >= oldest).then(|| address.clone())),
            None if known.complete => Answer::Is(None),
            None => Answer::AskTheTable,
        }
    }

    /// Those of a session. The table is its caller's.
    pub(super) fn forget(&self, client: &ClientId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).addresses.retain(|(owner, _), _| owner != client);
    }

    fn keep(&self, key: (ClientId, PhoneNumber), address: Address, at: Timestamp) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.addresses.len() < KEPT || known.addresses.contains_key(&key) {
            known.addresses.insert(key, (address, at));
        } else {
            known.complete = false;
        }
    }
}

impl Store {
    /// An address that was looked up since `oldest`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn cached_address(&self, client: &ClientId, number: &PhoneNumber, oldest: Timestamp) -> Result<Option<Address>, StoreError> {
        if let Answer::Is(answer) = self.addresses.find(&(client.clone(), number.clone()), oldest) {
            return Ok(answer);
        }
        let text: Option<String> = sqlx::query_scalar("SELECT address FROM address WHERE client = ? AND number = ? AND at >= ?")
            .bind(client.as_str())
            .bind(number.digits())
            .bind(oldest.0)
            .fetch_optional(&mut *self.readers.get().await?)
            .await?;
        Ok(text.and_then(|text| self.aside.readable("address", || number.to_string(), serde_json::from_str(&text))))
    }

    /// Remembers an address, and who is behind its opaque id.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn cache_address(&self, client: &ClientId, number: &PhoneNumber, address: &Address) -> Result<(), StoreError> {
        let at = Timestamp::now();
        let (key, kept) = ((client.clone(), number.clone()), address.clone());
        let (pair, canonical) = (aliases::pair(address), address.number().filter(|canonical| canonical != number));
        let (owner, learned) = (client.to_string(), pair.clone());
        let (client, number, address) = (owner.clone(), number.clone(), serde_json::to_string(address)?);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "INSERT OR REPLACE INTO address (client, number, address, at) VALUES (?, ?, ?, ?)";
                    sqlx::query(sql).bind(&client).bind(number.digits()).bind(address).bind(at.0).execute(&mut *connection).await?;
                    if let Some(canonical) = canonical {
                        aliases::renumber(connection, &client, number.digits(), canonical.digits()).await?;
                    }
                    aliases::learn(connection, &client, pair.into_iter().collect()).await
                })
            })
            .await?;
        self.addresses.keep(key, kept, at);
        self.aliases.keep(&owner, learned.as_slice());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_believed_for_a_while_and_survives_a_restart() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        let (client, number): (ClientId, _) = ("test".parse().expect("id"), "4915123456789".parse::<PhoneNumber>().expect("number"));
        let address = Address { lid: Some("77@lid".into()), ..Address::of_number(&number) };
        let store = Store::open(&path).await.expect("store");
        assert_eq!(store.cached_address(&client, &number, Timestamp(0)).await, Ok(None));
        store.cache_address(&client, &number, &address).await.expect("kept");
        for store in [store, Store::open(&path).await.expect("store")] {
            assert_eq!(store.cached_address(&client, &number, Timestamp(0)).await, Ok(Some(address.clone())));
            assert_eq!(store.cached_address(&client, &number, Timestamp::now().plus_millis(1)).await, Ok(None), "too old");
            assert_eq!(store.cached_address(&"other".parse().expect("id"), &number, Timestamp(0)).await, Ok(None));
            store.close().await;
        }
    }
}

//! Cache of looked-up addresses. Every accepted message needs one, so up to [`KEPT`] of them are
//! kept in memory in front of the `address` table.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{error::StoreError, readers::Readers, unreadable::UnreadableRows};
use crate::model::{Address, ClientId, InvalidRecipient, PhoneNumber, Timestamp};

/// Maximum number of addresses in memory, a few hundred bytes each. Further ones are read from the
/// table.
const KEPT: usize = 50_000;

/// The part of the `address` table that is in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Addresses(Arc<RwLock<Known>>);

#[derive(Debug)]
struct Known {
    addresses: HashMap<(ClientId, PhoneNumber), (Address, Timestamp)>,
    /// Whether memory has every row of the table.
    complete: bool,
}

/// The result of a look-up in memory.
pub(super) enum Lookup {
    /// The final answer: the address, or `None` if there is none recent enough.
    Known(Option<Address>),
    /// Memory cannot tell; the table has to be queried.
    AskTheTable,
}

/// Deletes addresses that are not valid JSON, because statements that extract JSON fields would
/// fail on them. The addresses are looked up again when they are needed.
pub(super) async fn drop_broken(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM address WHERE NOT json_valid(address)")
        .execute(connection)
        .await
        .map(drop)
}

type Entry = ((ClientId, PhoneNumber), (Address, Timestamp));

fn read(row: &SqliteRow) -> Result<Entry, StoreError> {
    let (client, number): (String, String) = (row.try_get("client")?, row.try_get("number")?);
    let client = client
        .parse()
        .map_err(|_| StoreError::Corrupt(format!("client id {client:?}")))?;
    let number = number
        .parse()
        .map_err(|error: InvalidRecipient| StoreError::Corrupt(error.to_string()))?;
    let address = serde_json::from_str(&row.try_get::<String, _>("address")?)?;
    Ok(((client, number), (address, Timestamp(row.try_get("at")?))))
}

impl Addresses {
    pub(super) async fn load(
        readers: &Readers,
        unreadable: &UnreadableRows,
    ) -> Result<Self, StoreError> {
        let limit = i64::try_from(KEPT).unwrap_or(i64::MAX);
        let rows = sqlx::query("SELECT client, number, address, at FROM address LIMIT ?")
            .bind(limit)
            .fetch_all(&mut *readers.get().await?)
            .await?;
        let mut addresses = HashMap::with_capacity(rows.len());
        let complete = rows.len() < KEPT;
        // An unreadable address is looked up again when it is needed, and overwritten.
        addresses.extend(rows.iter().filter_map(|row| {
            unreadable.ok_or_report(
                "address",
                || row.try_get("number").unwrap_or_default(),
                read(row),
            )
        }));
        Ok(Self(Arc::new(RwLock::new(Known {
            addresses,
            complete,
        }))))
    }

    pub(super) fn find(&self, key: &(ClientId, PhoneNumber), oldest: Timestamp) -> Lookup {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match known.addresses.get(key) {
            Some((address, at)) => Lookup::Known((*at >= oldest).then(|| address.clone())),
            None if known.complete => Lookup::Known(None),
            None => Lookup::AskTheTable,
        }
    }

    /// Removes a session's addresses from memory. The caller deletes them from the table.
    pub(super) fn forget(&self, client: &ClientId) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .addresses
            .retain(|(owner, _), _| owner != client);
    }

    pub(super) fn keep(&self, key: (ClientId, PhoneNumber), address: Address, at: Timestamp) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.addresses.len() < KEPT || known.addresses.contains_key(&key) {
            known.addresses.insert(key, (address, at));
        } else {
            known.complete = false;
        }
    }
}

//! Addresses that were looked up, kept in memory as long as they are few, because every accept asks
//! for one; the table is what lasts.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{error::StoreError, readers::Readers, unreadable::UnreadableRows};
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

/// What memory says of a number.
pub(super) enum Lookup {
    /// All that is known: its address, or none.
    Known(Option<Address>),
    /// It may be in the table alone.
    AskTheTable,
}

/// Forgets what is no JSON: it would fail the statements that look into addresses, and is looked up
/// anew.
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
        // One that cannot be read is looked up anew, and written over then.
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

    /// Those of a session. The table is its caller's.
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

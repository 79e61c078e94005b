//! Cache that maps phone numbers to opaque ids (`…@lid`). Every message accepted by number needs
//! the id, so up to [`KEPT`] pairs are kept in memory in front of the `alias` table.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{error::StoreError, readers::Readers};
use crate::model::{ClientId, PhoneNumber};

/// An opaque id and the phone number that it belongs to.
pub(super) type Pair = (String, PhoneNumber);

/// Maximum number of pairs in memory, about a hundred bytes each. Further ones are read from the
/// table.
const KEPT: usize = 50_000;

/// The part of the `alias` table that is in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Aliases(Arc<RwLock<Known>>);

#[derive(Debug)]
struct Known {
    /// Opaque ids by session and number.
    lids: HashMap<(String, String), String>,
    /// Numbers by session and opaque id.
    numbers: HashMap<(String, String), String>,
    /// Whether memory has every row of the table.
    complete: bool,
}

impl Known {
    /// Adds a pair. Numbers and ids are each unique within a session, so earlier pairs with this
    /// number or this id are removed.
    fn keep(&mut self, client: String, number: String, lid: String) {
        if let Some(before) = self.numbers.remove(&(client.clone(), lid.clone())) {
            self.lids.remove(&(client.clone(), before));
        }
        if let Some(before) = self.lids.remove(&(client.clone(), number.clone())) {
            self.numbers.remove(&(client.clone(), before));
        }
        if self.lids.len() < KEPT {
            self.numbers
                .insert((client.clone(), lid.clone()), number.clone());
            self.lids.insert((client, number), lid);
        } else {
            self.complete = false;
        }
    }
}

impl Aliases {
    pub(super) async fn load(readers: &Readers) -> Result<Self, StoreError> {
        let limit = i64::try_from(KEPT).unwrap_or(i64::MAX);
        let rows: Vec<(String, String, String)> =
            sqlx::query_as("SELECT client, number, lid FROM alias LIMIT ?")
                .bind(limit)
                .fetch_all(&mut *readers.get().await?)
                .await?;
        let complete = rows.len() < KEPT;
        let mut known = Known {
            lids: HashMap::with_capacity(rows.len()),
            numbers: HashMap::with_capacity(rows.len()),
            complete,
        };
        for (client, number, lid) in rows {
            known.keep(client, number, lid);
        }
        Ok(Self(Arc::new(RwLock::new(known))))
    }

    /// The opaque id of a number. The outer `None` means that the table has to be queried; the
    /// inner `None` means that no id is known.
    pub(super) fn lid(&self, client: &ClientId, number: &PhoneNumber) -> Option<Option<String>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.lids.is_empty() && known.complete {
            return Some(None);
        }
        let lid = known
            .lids
            .get(&(client.to_string(), number.digits().to_owned()))
            .cloned();
        (lid.is_some() || known.complete).then_some(lid)
    }

    /// Adds pairs that were learned. Call it after they are committed.
    pub(super) fn keep(&self, client: &str, pairs: &[Pair]) {
        if pairs.is_empty() {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (lid, number) in pairs {
            known.keep(client.to_owned(), number.digits().to_owned(), lid.clone());
        }
    }

    /// Removes a session's pairs from memory. The caller deletes them from the table.
    pub(super) fn forget(&self, client: &ClientId) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.lids.retain(|(owner, _), _| owner != client.as_str());
        known
            .numbers
            .retain(|(owner, _), _| owner != client.as_str());
    }
}

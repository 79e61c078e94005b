//! Which number is behind which opaque id (`…@lid`), kept in memory as long as they are few,
//! because every accept by number asks for the id.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{error::StoreError, readers::Readers};
use crate::model::{ClientId, PhoneNumber};

/// An opaque id and the number behind it.
pub(super) type Pair = (String, PhoneNumber);

/// Ids in memory, about a hundred bytes each. Beyond them the table is asked.
const KEPT: usize = 50_000;

/// The ids behind numbers, as far as they are in memory.
#[derive(Debug, Clone)]
pub(super) struct Aliases(Arc<RwLock<Known>>);

#[derive(Debug)]
struct Known {
    /// By session and number.
    lids: HashMap<(String, String), String>,
    /// By session and id.
    numbers: HashMap<(String, String), String>,
    /// Nothing else is in the table.
    complete: bool,
}

impl Known {
    /// Both sides are unique: whoever had one of them before has it no more.
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

    /// None: the table has to be asked. None within: there is none.
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

    /// What was learned, once it is committed.
    pub(super) fn keep(&self, client: &str, pairs: &[Pair]) {
        if pairs.is_empty() {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (lid, number) in pairs {
            known.keep(client.to_owned(), number.digits().to_owned(), lid.clone());
        }
    }

    /// Those of a session. The table is its caller's.
    pub(super) fn forget(&self, client: &ClientId) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.lids.retain(|(owner, _), _| owner != client.as_str());
        known
            .numbers
            .retain(|(owner, _), _| owner != client.as_str());
    }
}

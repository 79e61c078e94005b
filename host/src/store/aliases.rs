//! Which number is behind which opaque id (`…@lid`), as far as WhatsApp has said so.
//!
//! Both are one chat from the moment that this is known: what stands in the line of the id moves into that of the number,
//! where all keep the order in which they were accepted, and who is known by one is known by both.
//!
//! Every accept by number asks for the id, so those are kept in memory as long as they are few.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use sqlx::SqliteConnection;

use super::{Store, StoreError, pacing, readers::Readers};
use crate::model::{Address, ClientId, PhoneNumber, Recipient};

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
            self.numbers.insert((client.clone(), lid.clone()), number.clone());
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
            sqlx::query_as("SELECT client, number, lid FROM alias LIMIT ?").bind(limit).fetch_all(&mut *readers.get().await?).await?;
        let complete = rows.len() < KEPT;
        let mut known = Known { lids: HashMap::with_capacity(rows.len()), numbers: HashMap::with_capacity(rows.len()), complete };
        for (client, number, lid) in rows {
            known.keep(client, number, lid);
        }
        Ok(Self(Arc::new(RwLock::new(known))))
    }

    /// None: the table has to be asked. None within: there is none.
    fn lid(&self, client: &ClientId, number: &PhoneNumber) -> Option<Option<String>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.lids.is_empty() && known.complete {
            return Some(None);
        }
        let lid = known.lids.get(&(client.to_string(), number.digits().to_owned())).cloned();
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
        known.numbers.retain(|(owner, _), _| owner != client.as_str());
    }
}

/// What an address says of both.
pub(super) fn pair(address: &Address) -> Option<Pair> {
    Some((address.lid.clone()?, address.number()?))
}

/// Notes who is behind whom, and makes one line of two where that is news.
pub(super) async fn learn(connection: &mut SqliteConnection, client: &str, mut pairs: Vec<Pair>) -> Result<(), StoreError> {
    pairs.dedup();
    if pairs.is_empty() {
        return Ok(());
    }
    let sql = "SELECT key FROM json_each(?2) AS said
               WHERE NOT EXISTS (SELECT 1 FROM alias WHERE client = ?1 AND lid = said.value ->> 0 AND number = said.value ->> 1)";
    let new: Vec<i64> = sqlx::query_scalar(sql).bind(client).bind(serde_json::to_string(&pairs)?).fetch_all(&mut *connection).await?;
    for (lid, number) in new.iter().filter_map(|place| pairs.get(usize::try_from(*place).ok()?)) {
        let number = number.digits();
        // A number that has changed hands is nobody else's any more.
        let sql = "INSERT OR REPLACE INTO alias (client, lid, number) VALUES (?, ?, ?)";
        sqlx::query(sql).bind(client).bind(lid).bind(number).execute(&mut *connection).await?;
        let sql =
            "UPDATE outbox SET line = ?3 WHERE client = ?1 AND line = ?2 AND substr(line, -4) = '@lid' AND state IN ('queued', 'sending', 'unknown')";
        sqlx::query(sql).bind(client).bind(lid).bind(number).execute(&mut *connection).await?;
        let sql = "DELETE FROM acquaintance WHERE client = ? AND line = ?";
        if sqlx::query(sql).bind(client).bind(lid).execute(&mut *connection).await?.rows_affected() > 0 {
            pacing::know(connection, client, &[number.to_owned()]).await?;
        }
        // Of two lines of which one is known, what is parked in the other is parked no more.
        let sql = "SELECT EXISTS (SELECT 1 FROM acquaintance WHERE client = ? AND line = ?)";
        if sqlx::query_scalar(sql).bind(client).bind(number).fetch_one(&mut *connection).await? {
            super::outbox::unpark_known(connection, client, number).await?;
        }
    }
    Ok(())
}

/// WhatsApp has another form of a number that was asked for (Brazil's ninth digit, Mexico's 1): that is whose line it is.
pub(super) async fn renumber(connection: &mut SqliteConnection, client: &str, asked: &str, canonical: &str) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET line = ?3 WHERE client = ?1 AND line = ?2 AND state IN ('queued', 'sending', 'unknown')";
    sqlx::query(sql).bind(client).bind(asked).bind(canonical).execute(&mut *connection).await?;
    let sql = "SELECT EXISTS (SELECT 1 FROM acquaintance WHERE client = ? AND line = ?)";
    if sqlx::query_scalar(sql).bind(client).bind(canonical).fetch_one(&mut *connection).await? {
        super::outbox::unpark_known(connection, client, canonical).await?;
    }
    Ok(())
}

impl Store {
    /// Notes the number behind an opaque id, if an address says both.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn learn(&self, client: &ClientId, address: &Address) -> Result<(), StoreError> {
        let Some(pair) = pair(address) else { return Ok(()) };
        let (client, kept) = (client.to_string(), [pair.clone()]);
        let owner = client.clone();
        self.writer.write(move |connection| Box::pin(async move { learn(connection, &client, vec![pair]).await })).await?;
        self.aliases.keep(&owner, &kept);
        Ok(())
    }

    /// What is known of a recipient without asking WhatsApp: an opaque id with the number behind it, a number with its id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn known_address(&self, client: &ClientId, recipient: &Recipient) -> Result<Address, StoreError> {
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
            Recipient::Number(_) => ("SELECT lid FROM alias WHERE client = ? AND number = ?", &mut address.lid),
            Recipient::Chat(_) => ("SELECT number || '@c.us' FROM alias WHERE client = ? AND lid = ?", &mut address.pn),
        };
        let other: Option<String> =
            sqlx::query_scalar(sql).bind(client.as_str()).bind(recipient.to_string()).fetch_optional(&mut *self.readers.get().await?).await?;
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
        let of = |lid: &str| Address { lid: Some(lid.into()), ..Address::of_number(&number) };
        let lid = |lid: &str| lid.parse::<Recipient>().expect("lid");
        assert_eq!(store.known_address(&client, &lid("77@lid")).await.expect("read").pn, None);
        store.learn(&client, &of("77@lid")).await.expect("noted");
        store.learn(&client, &of("77@lid")).await.expect("noted twice");
        assert_eq!(store.known_address(&client, &lid("77@lid")).await.expect("read").pn.as_deref(), Some("4915123456789@c.us"));
        assert_eq!(store.known_address(&client, &number.clone().into()).await.expect("read").lid.as_deref(), Some("77@lid"));
        store.learn(&client, &of("88@lid")).await.expect("noted");
        assert_eq!(store.known_address(&client, &lid("77@lid")).await.expect("read").pn, None, "somebody else's now");
        assert_eq!(store.known_address(&client, &number.into()).await.expect("read").lid.as_deref(), Some("88@lid"));
    }
}

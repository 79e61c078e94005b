//! Sends to strangers while none may go: they are out of the line (`held = 2`), so that a look at the line costs the same
//! however many of them wait. They come back in the order in which they were accepted.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use sqlx::SqliteConnection;

use super::history::{Step, note};
use crate::{
    model::{ClientId, PhoneNumber, Priority},
    store::{Store, StoreError},
};

impl Store {
    /// Takes sends out of the line, by their places. Who has become known meanwhile stays in it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn park(&self, client: &ClientId, places: Vec<i64>, reason: &'static str) -> Result<(), StoreError> {
        let client = client.to_string();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE outbox SET held = 2 WHERE seq IN (SELECT value FROM json_each(?1)) AND state = 'queued' AND held = 0
                               AND NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.client = ?2 AND (recipient.number = outbox.number OR recipient.number =
                                   (SELECT address ->> '$.lid' FROM address WHERE address.client = ?2 AND address.number = outbox.number))) RETURNING seq";
                    let parked: Vec<i64> =
                        sqlx::query_scalar(sql).bind(serde_json::to_string(&places)?).bind(client).fetch_all(&mut *connection).await?;
                    let step = Step::new("held", json!({"reason": reason}));
                    for seq in parked {
                        note(connection, seq, &step).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Puts the first parked sends of a session back into the line.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unpark(&self, client: &ClientId, limit: u32) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET held = 0 WHERE seq IN (SELECT seq FROM outbox WHERE client = ? AND state = 'queued' AND held = 2
                   ORDER BY priority, seq LIMIT ?)";
        self.writer.statement(sqlx::query(sql).bind(client.to_string()).bind(limit)).await.map(drop)
    }

    /// The first parked send of each of the numbers, for each priority.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn first_parked(&self, client: &ClientId, numbers: &HashSet<PhoneNumber>) -> Result<HashMap<(PhoneNumber, Priority), i64>, StoreError> {
        let sql = "SELECT number, priority, min(seq) FROM outbox WHERE client = ?1 AND state = 'queued' AND held = 2
                   AND number IN (SELECT value FROM json_each(?2)) GROUP BY number, priority";
        let rows: Vec<(String, i64, i64)> =
            sqlx::query_as(sql).bind(client.as_str()).bind(serde_json::to_string(numbers)?).fetch_all(&mut *self.readers.get().await?).await?;
        let read = |(number, priority, seq): (String, i64, i64)| {
            let number = PhoneNumber::parse(&number, None).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            Ok::<_, StoreError>(((number, Priority::from_number(priority)), seq))
        };
        let read = |row: (String, i64, i64)| self.aside.readable("outbox", || row.0.clone(), read(row.clone()));
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

/// Somebody is no stranger any more (a number, or a chat of the form `…@lid`): what was parked for them is in line again.
pub(in crate::store) async fn unpark_known(connection: &mut SqliteConnection, client: &str, who: &str) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET held = 0 WHERE client = ?1 AND state = 'queued' AND held = 2
               AND (number = ?2 OR number IN (SELECT number FROM address WHERE client = ?1 AND address ->> '$.lid' = ?2))";
    sqlx::query(sql).bind(client).bind(who).execute(connection).await?;
    Ok(())
}

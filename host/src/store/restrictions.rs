//! What WhatsApp does not let sessions do. A change is committed together with the event that tells of it.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, StoreError, events};
use crate::model::{ClientId, Envelope, Restriction, RestrictionKind, Timestamp};

/// An end that is pushed back by less than this is not written again.
const FINE: i64 = 3_600_000;

fn read(row: &SqliteRow) -> Result<Restriction, StoreError> {
    let name: String = row.try_get("kind")?;
    let kind = RestrictionKind::from_name(&name).ok_or_else(|| StoreError::Corrupt(format!("restriction {name:?}")))?;
    Ok(Restriction { kind, since: Timestamp(row.try_get("since")?), until: Timestamp(row.try_get("until")?) })
}

impl Store {
    /// What a session is not allowed to do.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn restrictions(&self, client: &ClientId) -> Result<Vec<Restriction>, StoreError> {
        let sql = "SELECT kind, since, until FROM restriction WHERE client = ? ORDER BY kind";
        let rows = sqlx::query(sql).bind(client.as_str()).fetch_all(&mut *self.readers.get().await?).await?;
        rows.iter().map(read).collect()
    }

    /// Notes a restriction, or that it goes on. When it is new, what `tell` makes is appended; true then. An end that
    /// WhatsApp told is `known` and kept as it is; one that we suppose only ever moves on.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn restrict(
        &self,
        client: &ClientId,
        restriction: Restriction,
        known: bool,
        tell: impl FnOnce() -> Envelope + Send + 'static,
    ) -> Result<bool, StoreError> {
        let client = client.to_string();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let kind = restriction.kind.as_str();
                    let sql = "INSERT OR IGNORE INTO restriction (client, kind, since, until) VALUES (?, ?, ?, ?)";
                    let insert = sqlx::query(sql).bind(&client).bind(kind).bind(restriction.since.0).bind(restriction.until.0);
                    if insert.execute(&mut *connection).await?.rows_affected() == 1 {
                        events::insert(connection, &tell()).await?;
                        return Ok(true);
                    }
                    let until = restriction.until.0;
                    let (sql, than) = if known {
                        ("UPDATE restriction SET until = ? WHERE client = ? AND kind = ? AND until <> ?", until)
                    } else {
                        ("UPDATE restriction SET until = ? WHERE client = ? AND kind = ? AND until < ?", until.saturating_sub(FINE))
                    };
                    sqlx::query(sql).bind(until).bind(client).bind(kind).bind(than).execute(connection).await?;
                    Ok(false)
                })
            })
            .await
    }

    /// Notes the end of a restriction, with its event. False: it did not hold.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn lift(&self, client: &ClientId, kind: RestrictionKind, event: Envelope) -> Result<bool, StoreError> {
        let client = client.to_string();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "DELETE FROM restriction WHERE client = ? AND kind = ?";
                    let lifted = sqlx::query(sql).bind(client).bind(kind.as_str()).execute(&mut *connection).await?.rows_affected() == 1;
                    if lifted {
                        events::insert(connection, &event).await?;
                    }
                    Ok(lifted)
                })
            })
            .await
    }
}

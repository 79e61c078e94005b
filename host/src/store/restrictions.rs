//! What WhatsApp does not let sessions do. A change is committed together with the event that tells
//! of it.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, StoreError, events};
use crate::model::{ClientId, Envelope, Restriction, RestrictionKind, Timestamp};

/// An end that is pushed back by less than this is not written again.
const FINE: i64 = 3_600_000;

fn read(row: &SqliteRow) -> Result<Restriction, StoreError> {
    let name: String = row.try_get("kind")?;
    let kind = RestrictionKind::from_name(&name)
        .ok_or_else(|| StoreError::Corrupt(format!("restriction {name:?}")))?;
    Ok(Restriction {
        kind,
        since: Timestamp(row.try_get("since")?),
        until: Timestamp(row.try_get("until")?),
    })
}

impl Store {
    /// What a session is not allowed to do. A restriction of a kind that this version does not know
    /// still holds strangers back, and is not among them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn restrictions(&self, client: &ClientId) -> Result<Vec<Restriction>, StoreError> {
        let sql = "SELECT kind, since, until FROM restriction WHERE client = ? ORDER BY kind";
        let rows = sqlx::query(sql)
            .bind(client.as_str())
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let name = |row: &SqliteRow| {
            format!(
                "{client} {}",
                row.try_get::<String, _>("kind").unwrap_or_default()
            )
        };
        Ok(rows
            .iter()
            .filter_map(|row| {
                self.unreadable
                    .ok_or_report("restriction", || name(row), read(row))
            })
            .collect())
    }

    /// Lifts the restrictions of a kind that this version does not know; those that are over by
    /// `now`, or all.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn lift_unknown(
        &self,
        client: &ClientId,
        now: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let known = [
            RestrictionKind::ReachOutTimeLock,
            RestrictionKind::NewChatLimit,
        ]
        .map(RestrictionKind::as_str);
        let sql = "DELETE FROM restriction WHERE client = ?1 AND kind NOT IN (SELECT value FROM json_each(?2)) AND (?3 IS NULL OR until <= ?3)";
        let delete = sqlx::query(sql)
            .bind(client.to_string())
            .bind(serde_json::to_string(&known)?)
            .bind(now.map(|now| now.0));
        self.writer.statement(delete).await.map(drop)
    }

    /// Notes a restriction, or that it goes on. When it is new, what `tell` makes is appended; true
    /// then. An end that WhatsApp told is `known` and kept as it is; one that we suppose only ever
    /// moves on.
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
    pub async fn lift(
        &self,
        client: &ClientId,
        kind: RestrictionKind,
        event: Envelope,
    ) -> Result<bool, StoreError> {
        let client = client.to_string();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "DELETE FROM restriction WHERE client = ? AND kind = ?";
                    let lifted = sqlx::query(sql)
                        .bind(client)
                        .bind(kind.as_str())
                        .execute(&mut *connection)
                        .await?
                        .rows_affected()
                        == 1;
                    if lifted {
                        events::insert(connection, &event).await?;
                    }
                    Ok(lifted)
                })
            })
            .await
    }
}

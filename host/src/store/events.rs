//! The event log.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{NewDelivery, Store, StoreError, deliveries};
use crate::model::Envelope;

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its place.
    pub seq: i64,
    /// What happened.
    pub envelope: Envelope,
}

pub(super) fn read(row: &SqliteRow) -> Result<StoredEvent, StoreError> {
    Ok(StoredEvent { seq: row.try_get("seq")?, envelope: serde_json::from_str(&row.try_get::<String, _>("envelope")?)? })
}

/// Appends an event within a commit of something else, so that neither is there without the other.
pub(super) async fn insert(connection: &mut SqliteConnection, envelope: &Envelope) -> Result<i64, StoreError> {
    let sql = "INSERT INTO event (id, at, envelope, body) VALUES (?, ?, ?, ?)";
    let (text, body) = (serde_json::to_string(envelope)?, envelope.event.has_message());
    Ok(sqlx::query(sql).bind(&envelope.id.0).bind(envelope.at.0).bind(text).bind(body).execute(connection).await?.last_insert_rowid())
}

impl Store {
    /// Appends an event; returns its place.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn append_event(&self, envelope: Envelope) -> Result<i64, StoreError> {
        self.writer.write(move |connection| Box::pin(async move { insert(connection, &envelope).await })).await
    }

    /// Events after a place, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events_after(&self, seq: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let rows =
            sqlx::query("SELECT seq, envelope FROM event WHERE seq > ? ORDER BY seq LIMIT ?").bind(seq).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }

    /// How far `name` has come.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn cursor(&self, name: &str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT seq FROM cursor WHERE name = ?").bind(name).fetch_optional(&self.readers).await?.unwrap_or(0))
    }

    /// Moves a cursor over events and stores what each gave rise to, in one commit: a crash neither loses nor doubles a
    /// delivery.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn route(&self, name: &'static str, events: Vec<(i64, Vec<NewDelivery>)>) -> Result<(), StoreError> {
        let Some(seq) = events.iter().map(|(seq, _)| *seq).max() else { return Ok(()) };
        self.writer
            .write_soon(move |connection| {
                Box::pin(async move {
                    let sql = "INSERT INTO cursor (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = max(seq, excluded.seq)";
                    sqlx::query(sql).bind(name).bind(seq).execute(&mut *connection).await?;
                    for (seq, new) in &events {
                        for delivery in new {
                            deliveries::insert(connection, *seq, delivery).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }
}

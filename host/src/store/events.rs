//! The event log.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{NewDelivery, Store, StoreError, Urgency, deliveries, script::Script};
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
    Ok(StoredEvent {
        seq: row.try_get("seq")?,
        envelope: serde_json::from_str(&row.try_get::<String, _>("envelope")?)?,
    })
}

/// Appends an event within a commit of something else, so that neither is there without the other.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    envelope: &Envelope,
) -> Result<i64, StoreError> {
    let sql = "INSERT INTO event (id, at, envelope, body) VALUES (?, ?, ?, ?)";
    let (text, body) = (
        serde_json::to_string(envelope)?,
        envelope.event.has_message(),
    );
    Ok(sqlx::query(sql)
        .bind(&envelope.id.0)
        .bind(envelope.at.0)
        .bind(text)
        .bind(body)
        .execute(connection)
        .await?
        .last_insert_rowid())
}

/// As [`insert`], several in their order.
pub(super) fn insert_all<'a>(
    script: &mut Script,
    envelopes: impl IntoIterator<Item = &'a Envelope>,
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for envelope in envelopes {
        rows.push((
            &envelope.id,
            envelope.at,
            serde_json::to_string(envelope)?,
            envelope.event.has_message(),
        ));
    }
    script.add("INSERT INTO event (id, at, envelope, body) SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)");
    script.bind(serde_json::to_string(&rows)?)
}

impl Store {
    /// Appends an event; returns its place.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn append_event(&self, envelope: Envelope) -> Result<i64, StoreError> {
        self.writer
            .write(move |connection| Box::pin(async move { insert(connection, &envelope).await }))
            .await
    }

    /// Events after a place, in order. Those that cannot be read are left out; fewer than `limit`
    /// are all there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events_after(&self, seq: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let (mut events, mut after, wanted) = (
            Vec::new(),
            seq,
            usize::try_from(limit).unwrap_or(usize::MAX),
        );
        loop {
            let rows =
                sqlx::query("SELECT seq, envelope FROM event WHERE seq > ? ORDER BY seq LIMIT ?")
                    .bind(after)
                    .bind(limit)
                    .fetch_all(&mut *self.readers.get().await?)
                    .await?;
            for row in &rows {
                after = row.try_get("seq")?;
                events.extend(self.unreadable.ok_or_report(
                    "event",
                    || after.to_string(),
                    read(row),
                ));
                if events.len() == wanted {
                    return Ok(events);
                }
            }
            if rows.len() < wanted {
                return Ok(events);
            }
        }
    }

    /// How far `name` has come.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn cursor(&self, name: &str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT seq FROM cursor WHERE name = ?")
            .bind(name)
            .fetch_optional(&mut *self.readers.get().await?)
            .await?
            .unwrap_or(0))
    }

    /// Moves a cursor over events and stores what each gave rise to, in one commit: a crash neither
    /// loses nor doubles a delivery.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn route(
        &self,
        name: &'static str,
        events: Vec<(i64, Vec<NewDelivery>)>,
    ) -> Result<(), StoreError> {
        let Some(seq) = events.iter().map(|(seq, _)| *seq).max() else {
            return Ok(());
        };
        let mut script = Script::default();
        script.add("INSERT INTO cursor (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = max(seq, excluded.seq)");
        script.bind(name)?;
        script.bind(seq)?;
        deliveries::insert_all(&mut script, &events)?;
        self.writer.script(script, Urgency::Deferrable).await
    }
}

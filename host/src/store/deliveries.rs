//! Deliveries: one row per event and target.

use serde::Serialize;
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, StoreError, script::Script};
use crate::model::{Envelope, Timestamp};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "TEXT", rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be tried at its time.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Given up; it stays until somebody replays it.
    Dead,
}

/// A delivery to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its name.
    pub id: String,
    /// The notifier.
    pub plugin: String,
    /// The notifier's name for the receiver; empty when it could not even say who is told.
    pub target: String,
    /// Dead from the start, for this reason.
    pub dead: Option<String>,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Its name.
    pub id: String,
    /// The event's place in the log.
    pub event_seq: i64,
    /// The notifier.
    pub plugin: String,
    /// The notifier's name for the receiver.
    pub target: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempt: u32,
    /// When it is tried again.
    pub next_at: Timestamp,
    /// Why it failed last.
    pub reason: Option<String>,
}

/// A delivery whose time has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The delivery.
    pub delivery: Delivery,
    /// What it is to tell; none: its event is not in the log any more, or cannot be read.
    pub envelope: Option<Envelope>,
}

/// What an attempt made of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// The receiver took it.
    Delivered,
    /// Again then, for this reason.
    Retry(Timestamp, String),
    /// Never, for this reason.
    Dead(String),
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, event_seq, plugin, target, state, attempt, next_at, reason FROM delivery ", $rest)
    };
}

fn read(row: &SqliteRow) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.try_get("id")?,
        event_seq: row.try_get("event_seq")?,
        plugin: row.try_get("plugin")?,
        target: row.try_get("target")?,
        state: row.try_get("state")?,
        attempt: row.try_get("attempt")?,
        next_at: Timestamp(row.try_get("next_at")?),
        reason: row.try_get("reason")?,
    })
}

/// Stores what events (by their places) gave rise to.
pub(super) fn insert_all(script: &mut Script, events: &[(i64, Vec<NewDelivery>)]) -> Result<(), StoreError> {
    let state = |new: &NewDelivery| if new.dead.is_some() { "dead" } else { "pending" };
    let columns = |seq: i64, new: &NewDelivery| json!([new.id, seq, new.plugin, new.target, state(new), new.dead]);
    let rows: Vec<_> = events.iter().flat_map(|(seq, all)| all.iter().map(|new| columns(*seq, new))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    script.add(
        "INSERT OR IGNORE INTO delivery (id, event_seq, plugin, target, state, reason, next_at, updated_at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, now, now FROM json_each(?), (SELECT ? AS now)",
    );
    script.bind(serde_json::to_string(&rows)?)?;
    script.bind(Timestamp::now().0)
}

impl Store {
    /// Deliveries that are due, the longest waiting first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn due_deliveries(&self, now: Timestamp, limit: u32) -> Result<Vec<Due>, StoreError> {
        let sql = "SELECT delivery.id, event_seq, plugin, target, state, attempt, next_at, reason, envelope \
                   FROM delivery LEFT JOIN event ON event.seq = event_seq WHERE state = 'pending' AND next_at <= ? ORDER BY next_at LIMIT ?";
        let rows = sqlx::query(sql).bind(now.0).bind(limit).fetch_all(&mut *self.readers.get().await?).await?;
        let due = |row: &SqliteRow| {
            let envelope: Option<String> = row.try_get("envelope")?;
            let delivery = read(row)?;
            let envelope = envelope.and_then(|text| self.aside.readable("event", || delivery.event_seq.to_string(), serde_json::from_str(&text)));
            Ok::<_, StoreError>(Due { delivery, envelope })
        };
        Ok(rows.iter().filter_map(|row| self.aside.readable("delivery", || row.try_get("id").unwrap_or_default(), due(row))).collect())
    }

    /// When the next delivery after `now` is due.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_delivery_at(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT min(next_at) FROM delivery WHERE state = 'pending' AND next_at > ?";
        let at: Option<i64> = sqlx::query_scalar(sql).bind(now.0).fetch_one(&mut *self.readers.get().await?).await?;
        Ok(at.map(Timestamp))
    }

    /// Deliveries in a state, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deliveries(&self, state: DeliveryState, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query(select!("WHERE state = ? ORDER BY event_seq DESC LIMIT ?"))
            .bind(state)
            .bind(limit)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        Ok(rows.iter().filter_map(|row| self.aside.readable("delivery", || row.try_get("id").unwrap_or_default(), read(row))).collect())
    }

    /// Notes attempts, each of another delivery.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn attempted(&self, attempts: &[(String, Update)]) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let columns = |(id, update): &(String, Update)| match update {
            Update::Delivered => json!([id, DeliveryState::Delivered, now, null]),
            Update::Retry(at, reason) => json!([id, DeliveryState::Pending, at, reason]),
            Update::Dead(reason) => json!([id, DeliveryState::Dead, now, reason]),
        };
        let rows: Vec<_> = attempts.iter().map(columns).collect();
        let sql = "UPDATE delivery SET state = done.value ->> 1, attempt = attempt + 1, next_at = done.value ->> 2, reason = done.value ->> 3, updated_at = ?
                   FROM json_each(?) AS done WHERE delivery.id = done.value ->> 0";
        self.writer.statement_soon(sqlx::query(sql).bind(now.0).bind(serde_json::to_string(&rows)?)).await.map(drop)
    }

    /// Takes a dead letter up again. False when there is none of that name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn revive(&self, id: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE delivery SET state = 'pending', attempt = 0, next_at = ?1, updated_at = ?1 WHERE id = ?2 AND state = 'dead'";
        Ok(self.writer.statement(sqlx::query(sql).bind(Timestamp::now().0).bind(id.to_owned())).await? == 1)
    }
}

//! Deliveries of events: one row per event and target.

mod due;
mod letters;
mod list;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

pub use self::list::{DeliveryCount, DeliveryFilter, DeliveryPage};
use super::{Store, StoreError, script::Script};
use crate::model::Timestamp;

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "TEXT", rename_all = "snake_case")]
pub enum DeliveryState {
    /// Still to be tried.
    Pending,
    /// The receiver accepted it.
    Delivered,
    /// A dead letter: it was given up. It stays until it is retried or purged, or until the
    /// retention time of dead letters has passed.
    Dead,
    /// Ended without being delivered, because its event is out of date, such as an expired QR code.
    Stale,
}

impl DeliveryState {
    /// The name in the API and in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Stale => "stale",
        }
    }
}

/// A delivery to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id, `dlv_…`.
    pub id: String,
    /// The notifier plugin.
    pub plugin: String,
    /// The notifier's name for the receiver; empty until the notifier could name its targets.
    pub target: String,
    /// Number of attempts so far.
    pub attempt: u32,
    /// When it is tried next, and why it is not due now; `None` if it is.
    pub again: Option<(Timestamp, String)>,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, `dlv_…`.
    pub id: String,
    /// Sequence number of the event in the log.
    pub event_seq: i64,
    /// The notifier plugin.
    pub plugin: String,
    /// The notifier's name for the receiver; empty until the notifier could name its targets.
    pub target: String,
    /// Its state.
    pub state: DeliveryState,
    /// Number of attempts since it was created or last retried by request.
    pub attempt: u32,
    /// When it is tried next.
    pub next_at: Timestamp,
    /// Why the last attempt failed.
    pub reason: Option<String>,
    /// When it was created.
    pub made_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The outcome of a delivery attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// The receiver accepted it.
    Delivered,
    /// Try again at this time, for this reason.
    Retry(Timestamp, String),
    /// Never again, for this reason.
    Dead(String),
    /// Never again, because the event is out of date, for this reason.
    Stale(String),
}

macro_rules! select {
    ($($rest:literal),+) => {
        concat!("SELECT delivery.id, event_seq, plugin, target, state, attempt, next_at, reason, made_at, updated_at FROM ", $($rest),+)
    };
}
use select;

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
        made_at: Timestamp(row.try_get("made_at")?),
        updated_at: Timestamp(row.try_get("updated_at")?),
    })
}

/// Stores the deliveries of events, which are given by sequence number.
pub(super) fn insert_all(
    script: &mut Script,
    events: &[(i64, Vec<NewDelivery>)],
) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let columns = |seq: i64, new: &NewDelivery| {
        let (next_at, reason) = new
            .again
            .as_ref()
            .map_or((now, None), |(at, reason)| (*at, Some(reason)));
        json!([
            new.id,
            seq,
            new.plugin,
            new.target,
            new.attempt,
            next_at,
            reason
        ])
    };
    let rows: Vec<_> = events
        .iter()
        .flat_map(|(seq, all)| all.iter().map(|new| columns(*seq, new)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    script.add(
        "INSERT OR IGNORE INTO delivery (id, event_seq, plugin, target, state, attempt, next_at, reason, made_at, waits_since, updated_at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 'pending', value ->> 4, value ->> 5, value ->> 6, now, now, now
         FROM json_each(?), (SELECT ? AS now)",
    );
    script.bind(serde_json::to_string(&rows)?)?;
    script.bind(now.0)
}

impl Store {
    /// Records the outcomes of attempts, each of another delivery.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn attempted(&self, attempts: &[(String, Update)]) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let columns = |(id, update): &(String, Update)| match update {
            Update::Delivered => json!([id, DeliveryState::Delivered, now, null]),
            Update::Retry(at, reason) => json!([id, DeliveryState::Pending, at, reason]),
            Update::Dead(reason) => json!([id, DeliveryState::Dead, now, reason]),
            Update::Stale(reason) => json!([id, DeliveryState::Stale, now, reason]),
        };
        let rows: Vec<_> = attempts.iter().map(columns).collect();
        let sql = "UPDATE delivery SET state = done.value ->> 1, attempt = attempt + 1, next_at = done.value ->> 2, reason = done.value ->> 3, updated_at = ?
                   FROM json_each(?) AS done WHERE delivery.id = done.value ->> 0";
        self.writer
            .statement_deferrable(
                sqlx::query(sql)
                    .bind(now.0)
                    .bind(serde_json::to_string(&rows)?),
            )
            .await
            .map(drop)
    }
}

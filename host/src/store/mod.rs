//! SQLite: the only place that knows SQL.
//!
//! One connection writes, in batches: commits that arrive together share one flush to the disk, so
//! `synchronous = FULL` costs little. Readers have their own connections and never wait for the
//! writer.

mod accounts;
mod addresses;
mod aliases;
mod bulk;
mod copies;
mod database;
mod deliveries;
mod error;
mod events;
mod file;
mod forget;
mod idempotency;
mod inbound;
mod kv;
mod many;
mod outbox;
mod pacing;
mod place;
mod probe;
mod readers;
mod recent;
mod recipients;
mod restrictions;
mod script;
mod sessions;
mod space;
mod transaction;
mod unreadable;
#[cfg(test)]
mod upgrade;
mod wishes;
mod writer;

pub use accounts::{Held, Relinked};
pub use bulk::{BulkAccept, BulkRecipient, BulkReport, NewBulk, Pending, unreadable};
pub use database::Store;
pub use deliveries::{
    Delivery, DeliveryCount, DeliveryFilter, DeliveryPage, DeliveryState, NewDelivery, Update,
};
pub use error::StoreError;
pub use events::StoredEvent;
pub use idempotency::Idempotency;
pub use outbox::{
    Accept, Accepted, Ack, Begin, Begun, DOUBTS, Doubtful, FastPath, Filter, Finish, HistoryRow,
    Listed, NewRow, OutboxId, OutboxRow, QUEUE_PLACES, RowState, Step,
};
pub use pacing::Sending;
pub use sessions::{HealthRow, SessionRow};
pub use wishes::SessionWish;
pub use writer::Urgency;

#[cfg(test)]
use std::path::Path;

#[cfg(test)]
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

#[cfg(test)]
pub(crate) async fn scratch() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("tempdir");
    let store = Store::open(&dir.path().join("wharf.db"))
        .await
        .expect("store");
    (dir, store)
}

/// Keeps every other connection from writing until what this returns is awaited.
#[cfg(test)]
pub(crate) async fn hold(path: &Path) -> impl Future<Output = ()> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .expect("a connection");
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut connection)
        .await
        .expect("begun");
    async move {
        sqlx::query("ROLLBACK")
            .execute(&mut connection)
            .await
            .expect("ended");
    }
}

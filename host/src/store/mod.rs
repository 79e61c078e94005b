//! Everything that is stored in SQLite. No other room contains SQL.
//!
//! One connection does all writes, in batches: writes that arrive together share one commit and one
//! flush to the disk, so `synchronous = FULL` costs little. Readers have connections of their own
//! and never wait for the writer.

mod accounts;
mod addresses;
mod aliases;
mod bulk;
mod calls;
mod configs;
mod copies;
mod database;
mod decisions;
mod deliveries;
mod differences;
mod error;
mod events;
mod file;
mod forget;
#[cfg(test)]
mod fuzz;
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
mod switches;
mod transaction;
mod unreadable;
#[cfg(test)]
mod upgrade;
mod wishes;
mod writer;

pub use accounts::{Held, Relinked};
pub use bulk::{BulkAccept, BulkRecipient, BulkReport, NewBulk, Pending, unreadable};
pub use calls::{CallDetails, StoredCall};
pub use database::Store;
pub use decisions::{DecisionFile, Range, StoredDecision};
pub use deliveries::{
    Delivery, DeliveryCount, DeliveryFilter, DeliveryPage, DeliveryState, NewDelivery, Update,
};
pub use differences::StoredDifference;
pub use error::StoreError;
pub use events::StoredEvent;
pub use idempotency::Idempotency;
pub use kv::operator::{KvKey, KvUsage, KvValue};
pub use outbox::{
    Accept, Accepted, Ack, Begin, Begun, DOUBTS, Doubtful, FastPath, Filter, Finish, HistoryRow,
    Listed, NewRow, OutboxId, OutboxRow, QUEUE_PLACES, RowState, Step,
};
pub use pacing::Sending;
pub use sessions::{HealthRow, SessionRow};
pub use switches::PluginSwitch;
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

/// Holds the write lock of the database until the returned future is awaited.
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

/// Asserts that a statement looks the rows of `table` up in `indexes` or by their key: it neither
/// reads all rows nor sorts them. Only values that the statement is given as JSON may be sorted. An
/// index that is given as `SCAN … USING INDEX …`, with the words of the plan, may be read whole.
#[cfg(test)]
pub(crate) async fn assert_indexed(
    store: &Store,
    sql: &'static str,
    table: &str,
    indexes: &[&str],
) {
    let plan: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
            .fetch_all(&mut *store.readers.get().await.expect("reader"))
            .await
            .expect(sql);
    let plan: Vec<&str> = plan.iter().map(|row| row.3.as_str()).collect();
    let of_table: Vec<&str> = plan
        .iter()
        .copied()
        .filter(|line| {
            line.strip_prefix("SCAN ")
                .or_else(|| line.strip_prefix("SEARCH "))
                .is_some_and(|rest| rest.split(' ').next() == Some(table))
        })
        .collect();
    let by_key = |line: &str| line.contains("PRIMARY KEY (") && !line.contains(['<', '>']);
    for line in &of_table {
        let searches = line.starts_with("SEARCH");
        let by_index = |index: &str| line.contains(index) && (searches || *line == index);
        assert!(
            (searches && by_key(line)) || indexes.iter().any(|index| by_index(index)),
            "{line}: {sql}"
        );
    }
    for index in indexes {
        assert!(
            of_table.iter().any(|line| line.contains(index)),
            "{index}: {plan:?}: {sql}"
        );
    }
    let given = plan.iter().any(|line| line.contains("VIRTUAL TABLE"));
    assert!(
        given || !plan.iter().any(|line| line.contains("TEMP B-TREE")),
        "{plan:?}: {sql}"
    );
}

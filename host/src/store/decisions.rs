//! Decisions of plugins: which version of which plugin said what about a message, what it saw and
//! what it read.
//!
//! A decision is part of the commit of what it decides: the acceptance of the message, the beginning
//! of its sending, or its end. The calls of one moment are one row, and its details are deleted with
//! the message's content.
//!
//! [`DecisionFile`] reads the file of a gateway that may be running. It is opened for reading only,
//! so it can neither migrate nor change the database, and SQLite's write-ahead log lets it read
//! while the gateway writes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use sqlx::{
    ConnectOptions, Connection, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use crate::{
    model::{ClientId, Timestamp},
    plugins::StorageStep,
    store::{
        Store,
        calls::{StoredCall, parse},
        error::StoreError,
        outbox::{OutboxId, Step, decision_columns},
    },
};

/// Decisions of a page.
const PAGE: u32 = 200;

const OF_MESSAGE: &str = "SELECT outbox.id, outbox.client, decision.at, decision.calls, decision.details \
                          FROM outbox JOIN decision ON decision.id BETWEEN outbox.seq * 4096 AND outbox.seq * 4096 + 4095 \
                          WHERE outbox.id = ? ORDER BY decision.id";
const OF_REFUSED: &str = "SELECT id, client, at, calls, details FROM refusal WHERE id = ?";
pub(super) const RANGE: &str = "SELECT outbox.id, outbox.client, decision.id AS place, decision.at, decision.calls, decision.details \
                     FROM decision CROSS JOIN outbox ON outbox.seq = decision.id / 4096 \
                     WHERE (decision.at, decision.id) > (?, ?) AND decision.at < ? ORDER BY decision.at, decision.id LIMIT ?";
const REFUSED_RANGE: &str = "SELECT id, client, at, calls, details FROM refusal \
                             WHERE at >= ? AND at < ? AND id > ? ORDER BY id LIMIT ?";

/// The verdicts about a message at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDecision {
    /// The message.
    pub message: OutboxId,
    /// The session that was to send it.
    pub session: ClientId,
    /// When it was stored.
    pub at: Timestamp,
    /// Whether the message was refused, so that it was not accepted.
    pub refused: bool,
    /// When the plugins were asked, `accept` or `dispatch`, and the calls in their order; none if
    /// the row cannot be read.
    pub calls: Option<(String, Vec<StoredCall>)>,
}

impl StoredDecision {
    /// Removes what plugins have read that may be about other sessions: the keys of lists, and the
    /// digests of values, from which short values can be guessed.
    pub fn hide_shared(&mut self) {
        let calls = self.calls.iter_mut().flat_map(|(_, calls)| calls);
        for step in calls
            .filter_map(|call| call.details.as_mut())
            .flat_map(|details| &mut details.storage.steps)
        {
            match step {
                StorageStep::List { keys, .. } => keys.clear(),
                StorageStep::Get { found, .. } => {
                    if let Some(found) = found {
                        found.sha256.clear();
                    }
                }
                StorageStep::Set { .. } => {}
            }
        }
    }
}

fn decision(row: &SqliteRow, refused: bool) -> Result<StoredDecision, StoreError> {
    let client: String = row.try_get("client")?;
    let session = client
        .parse()
        .map_err(|_| StoreError::Corrupt(format!("client id {client:?}")))?;
    let details: Option<&str> = row.try_get("details")?;
    Ok(StoredDecision {
        message: OutboxId(row.try_get("id")?),
        session,
        at: Timestamp(row.try_get("at")?),
        refused,
        calls: parse(row.try_get("calls")?, details).ok(),
    })
}

/// The decisions about a message, oldest first.
async fn of_message(
    connection: &mut SqliteConnection,
    id: &OutboxId,
) -> Result<Vec<StoredDecision>, StoreError> {
    let rows = sqlx::query(OF_MESSAGE)
        .bind(&id.0)
        .fetch_all(&mut *connection)
        .await?;
    if rows.is_empty() {
        let refused = sqlx::query(OF_REFUSED)
            .bind(&id.0)
            .fetch_optional(connection)
            .await?;
        return refused.iter().map(|row| decision(row, true)).collect();
    }
    rows.iter().map(|row| decision(row, false)).collect()
}

/// A time: from `since`, before `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first moment.
    pub since: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

/// The decisions in the file of a database.
#[derive(Debug)]
pub struct DecisionFile {
    path: PathBuf,
    connection: SqliteConnection,
}

impl DecisionFile {
    /// Opens the file for reading.
    ///
    /// # Errors
    /// If it does not exist, is no database, or is of another version of the gateway.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let wrong = |reason: String| StoreError::Open {
            path: path.display().to_string(),
            reason,
        };
        if !path.is_file() {
            return Err(wrong(
                "there is no such file; a gateway creates it at its first start".into(),
            ));
        }
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = options
            .connect()
            .await
            .map_err(|error| wrong(error.to_string()))?;
        let newest: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
                .fetch_one(&mut connection)
                .await
                .map_err(|error| wrong(error.to_string()))?;
        let ours = sqlx::migrate!("src/store/migrations")
            .iter()
            .map(|step| step.version)
            .max();
        if newest > ours {
            return Err(StoreError::TooNew {
                path: path.display().to_string(),
            });
        }
        if newest < ours {
            return Err(wrong(
                "it was written by an earlier version of the gateway; start this version once, which upgrades it".into(),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The decisions about a message, as [`Store::decisions`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn of(&mut self, id: &OutboxId) -> Result<Vec<StoredDecision>, StoreError> {
        of_message(&mut self.connection, id).await
    }

    /// Whether there is an accepted message with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn knows(&mut self, id: &OutboxId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE id = ?)";
        Ok(sqlx::query_scalar(sql)
            .bind(&id.0)
            .fetch_one(&mut self.connection)
            .await?)
    }

    /// Passes each decision of a time to `take`, in pages, so that a day of traffic does not have
    /// to fit into memory: first those about accepted messages, then those about refused ones.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn each(
        &mut self,
        range: Range,
        mut take: impl AsyncFnMut(StoredDecision),
    ) -> Result<(), StoreError> {
        // No row has the id 0.
        let mut after = (range.since.0, 0_i64);
        loop {
            let rows = sqlx::query(RANGE)
                .bind(after.0)
                .bind(after.1)
                .bind(range.until.0)
                .bind(PAGE)
                .fetch_all(&mut self.connection)
                .await?;
            let Some(last) = rows.last() else { break };
            after = (last.try_get("at")?, last.try_get("place")?);
            for row in &rows {
                take(decision(row, false)?).await;
            }
        }
        let mut after = String::new();
        loop {
            let rows = sqlx::query(REFUSED_RANGE)
                .bind(range.since.0)
                .bind(range.until.0)
                .bind(&after)
                .bind(PAGE)
                .fetch_all(&mut self.connection)
                .await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.try_get("id")?;
            for row in &rows {
                take(decision(row, true)?).await;
            }
        }
    }

    /// The configurations that are kept, by their digests.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn configs(&mut self) -> Result<BTreeMap<String, String>, StoreError> {
        let all = "SELECT digest, config FROM plugin_config";
        let rows: Vec<(String, String)> =
            sqlx::query_as(all).fetch_all(&mut self.connection).await?;
        Ok(rows.into_iter().collect())
    }

    /// Closes the file.
    pub async fn close(self) {
        // Nothing was written, so nothing can be lost.
        let _ = self.connection.close().await;
    }
}

impl Store {
    /// Stores the decision about a message that was refused, so that the message has no row. Does
    /// nothing if no step is a verdict.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn refused(
        &self,
        id: &OutboxId,
        client: &ClientId,
        steps: &[Step],
    ) -> Result<(), StoreError> {
        let Some((calls, details)) = decision_columns(steps)? else {
            return Ok(());
        };
        self.place.check()?;
        let sql = "INSERT INTO refusal (id, client, at, calls, details) VALUES (?, ?, ?, ?, ?)";
        let insert = sqlx::query(sql)
            .bind(id.0.clone())
            .bind(client.to_string())
            .bind(Timestamp::now().0)
            .bind(calls)
            .bind(details);
        self.writer.statement(insert).await.map(drop)
    }

    /// The decisions about a message, oldest first, also if the message was refused. Empty if there
    /// are none or the id is not known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn decisions(&self, id: &OutboxId) -> Result<Vec<StoredDecision>, StoreError> {
        let mut reader = self.readers.get().await?;
        of_message(&mut reader, id).await
    }
}

//! Stores accepted messages, many in one batch. Their commit is the point from which a message is
//! accepted.
//!
//! A batch costs a handful of statements however many callers it serves. The first statement's text
//! includes the beginning of the transaction and the last one's its commit, which saves trips to
//! the database thread. If a row cannot be stored, the batch is rolled back to a savepoint and its
//! rows are stored one by one, so that the others are not lost.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::{
    OutboxId, OutboxRow, RowState,
    history::{self, Step},
};
use crate::{
    model::{
        ClientId, InvalidRecipient, MessageId, OutboundMessage, Priority, Recipient, Timestamp,
    },
    store::{
        calls::Columns,
        error::StoreError,
        idempotency::{self, Idempotency, Used},
        many,
        transaction::{COMMIT, Transaction},
    },
};

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct NewRow {
    /// Its id, `out_…`.
    pub id: OutboxId,
    /// The session that sends it.
    pub client: ClientId,
    /// WhatsApp's id of the message, made by the gateway.
    pub message_id: MessageId,
    /// The recipient as requested.
    pub recipient: Recipient,
    /// The content and the time of sending (`send_at`).
    pub message: OutboundMessage,
    /// Its priority in the queue.
    pub priority: Priority,
    /// Sending does not begin after this time.
    pub expires_at: Option<Timestamp>,
    /// Makes a retried request return the same message instead of sending a second one.
    pub idempotency: Option<Idempotency>,
    /// Its history so far, oldest step first.
    pub history: Vec<Step>,
    /// Set if sending may begin in the same commit, provided that nothing holds the message back.
    /// Its address has to be known.
    pub fast_path: Option<FastPath>,
}

/// Lets sending begin in the commit that stores the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FastPath {
    /// The lease token of the sender that will hand the message to the page.
    pub token: i64,
}

/// The result of storing a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Accept {
    /// The message was stored.
    New,
    /// The message was stored as this row and its sending has begun: from here on the page may have
    /// it.
    Begun(Box<OutboxRow>),
    /// The key was used for the same request before.
    Known(OutboxId),
    /// The key was used for another request before.
    Reused,
}

impl From<Used> for Accept {
    fn from(used: Used) -> Self {
        match used {
            Used::Same(id) => Self::Known(OutboxId(id)),
            Used::Other => Self::Reused,
        }
    }
}

/// An accepted message, as its caller is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The message's id, `out_…`.
    pub id: OutboxId,
    /// WhatsApp's id of the message.
    pub message_id: MessageId,
    /// Its state.
    pub state: RowState,
    /// Whether it was accepted under the same key before.
    pub known: bool,
}

/// Stores the messages of a batch, which are its last work, and commits with the last statement
/// where possible. The answers are in the order of the rows.
pub(in crate::store) async fn all(
    connection: &mut SqliteConnection,
    transaction: &mut Transaction,
    rows: &[NewRow],
) -> Vec<Result<Accept, StoreError>> {
    let error = match together(connection, transaction, rows, true).await {
        Ok(answers) => return answers.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    // A full disk or a transaction that SQLite has ended is not the fault of a single row.
    let undone = transaction.undo(connection).await;
    if rows.len() == 1 || error == StoreError::Full || undone.is_err() {
        return vec![Err(error); rows.len()];
    }
    let mut answers = Vec::with_capacity(rows.len());
    for row in rows {
        let stored = together(connection, transaction, std::slice::from_ref(row), false).await;
        if stored.is_err() {
            // Fails if the transaction is gone; the first error is the one to report.
            let _ = transaction.undo(connection).await;
        }
        answers.push(stored.and_then(|mut one| {
            one.pop()
                .ok_or_else(|| StoreError::Corrupt("a row without an answer".into()))
        }));
    }
    answers
}

/// Stores all rows or none. `last` says that nothing follows in the transaction, so that the commit
/// may be part of the last statement.
async fn together(
    connection: &mut SqliteConnection,
    transaction: &mut Transaction,
    rows: &[NewRow],
    last: bool,
) -> Result<Vec<Accept>, StoreError> {
    let now = Timestamp::now().0;
    let mut opening = transaction.opening();
    let mut answers = keys(connection, &mut opening, rows, now).await?;
    let new: Vec<&NewRow> = rows
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| **answer == Accept::New)
        .map(|(row, _)| row)
        .collect();
    let new = with_queues(connection, &mut opening, new).await?;
    if !new.is_empty() {
        let begin = clear(connection, &mut opening, &new, now).await?;
        let begun = messages(connection, &mut opening, &new, &begin, now, last).await?;
        if last {
            transaction.committed();
        }
        for (answer, begun) in answers
            .iter_mut()
            .filter(|answer| **answer == Accept::New)
            .zip(begun)
        {
            if let Some(row) = begun {
                *answer = Accept::Begun(Box::new(row));
            }
        }
    }
    Ok(answers)
}

/// Prefixes the first statement with the pending `opening` of the transaction.
fn opened(opening: &mut &'static str, sql: &str) -> AssertSqlSafe<String> {
    // Safe: both texts are constants of the callers.
    AssertSqlSafe([std::mem::take(opening), sql].concat())
}

/// Reserves the idempotency keys of the rows. A row whose key was used before is answered with what
/// the key was used for.
async fn keys(
    connection: &mut SqliteConnection,
    opening: &mut &'static str,
    rows: &[NewRow],
    now: i64,
) -> Result<Vec<Accept>, StoreError> {
    let mut wanted = Vec::new();
    for row in rows {
        if let Some(key) = &row.idempotency {
            wanted.push((
                &key.scope,
                &key.key,
                &key.fingerprint,
                &row.id,
                &key.written,
            ));
        }
    }
    if wanted.is_empty() {
        return Ok(vec![Accept::New; rows.len()]);
    }
    let sql = "INSERT INTO idempotency (scope, key, fingerprint, outbox_id, written, created_at)
               SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, ?2 FROM json_each(?1) WHERE true
               ON CONFLICT (scope, key) DO NOTHING RETURNING outbox_id";
    let taken: Vec<String> = sqlx::query_scalar(opened(opening, sql))
        .bind(serde_json::to_string(&wanted)?)
        .bind(now)
        .fetch_all(&mut *connection)
        .await?;
    let taken: HashSet<String> = taken.into_iter().collect();
    let mut answers = Vec::with_capacity(rows.len());
    for row in rows {
        answers.push(match &row.idempotency {
            Some(key) if !taken.contains(&row.id.0) => {
                let lost = || StoreError::Corrupt(format!("the idempotency key of {}", row.id));
                idempotency::send(connection, key)
                    .await?
                    .ok_or_else(lost)?
                    .into()
            }
            _ => Accept::New,
        });
    }
    Ok(answers)
}

/// A message with the chat in whose order it is sent.
type Queued<'a> = (&'a NewRow, Recipient);
/// The same, with the lease token and the history step if its sending begins at once.
type Placed<'a> = (&'a NewRow, &'a Recipient, Option<(i64, Step)>);

/// Finds the chat of each message: for an opaque id, that of the number behind it; for a number,
/// that of WhatsApp's canonical form of it. A group is a chat of its own.
async fn with_queues<'a>(
    connection: &mut SqliteConnection,
    opening: &mut &'static str,
    rows: Vec<&'a NewRow>,
) -> Result<Vec<Queued<'a>>, StoreError> {
    let lids: Vec<(&ClientId, &Recipient)> = rows
        .iter()
        .filter(|row| row.recipient.is_lid())
        .map(|row| (&row.client, &row.recipient))
        .collect();
    let mut known = HashMap::new();
    if !lids.is_empty() {
        let sql = "SELECT client, lid, number FROM json_each(?) AS asked JOIN alias ON client = asked.value ->> 0 AND lid = asked.value ->> 1";
        let found: Vec<(String, String, String)> = sqlx::query_as(opened(opening, sql))
            .bind(serde_json::to_string(&lids)?)
            .fetch_all(connection)
            .await?;
        for (client, lid, number) in found {
            let number: Recipient = number
                .parse()
                .map_err(|error: InvalidRecipient| StoreError::Corrupt(error.to_string()))?;
            known.insert((client, lid), number);
        }
    }
    let queue = |row: &NewRow| match &row.recipient {
        Recipient::Chat(chat) => known
            .get(&(row.client.to_string(), chat.to_string()))
            .unwrap_or(&row.recipient)
            .clone(),
        Recipient::Number(_) => row
            .message
            .to
            .number()
            .map_or_else(|| row.recipient.clone(), Recipient::Number),
    };
    Ok(rows.into_iter().map(|row| (row, queue(row))).collect())
}

/// What prevents messages of a session from being sent at once.
struct Held {
    /// The current lease token of its sender.
    token: Option<i64>,
    /// Whether all messages are held back.
    all: bool,
    /// Chats that are held back, because the page may or may not have an earlier message of them.
    queues: HashSet<String>,
}

async fn held(
    connection: &mut SqliteConnection,
    opening: &mut &'static str,
    client: &ClientId,
) -> Result<Held, StoreError> {
    let sql = "SELECT (SELECT token FROM lease WHERE client = ?1) AS token,
                   EXISTS (SELECT 1 FROM sending WHERE client = ?1 AND paused_at IS NOT NULL) OR EXISTS (SELECT 1 FROM restriction WHERE client = ?1)
                   OR EXISTS (SELECT 1 FROM outbox WHERE client = ?1 AND state = 'queued' AND held = 0)
                   OR EXISTS (SELECT 1 FROM outbox WHERE client = ?1 AND state = 'queued' AND held = 2) AS held,
                   (SELECT json_group_array(line) FROM outbox WHERE client = ?1 AND state IN ('sending', 'unknown') AND message_key IS NULL
                       AND profile_gone = 0 AND held < 4) AS in_doubt";
    let row = sqlx::query(opened(opening, sql))
        .bind(client.as_str())
        .fetch_one(connection)
        .await?;
    Ok(Held {
        token: row.try_get("token")?,
        all: row.try_get("held")?,
        queues: serde_json::from_str(row.try_get("in_doubt")?)?,
    })
}

/// Finds the rows whose sending begins at once: they have a [`FastPath`], and nothing of their
/// session waits before them.
async fn clear(
    connection: &mut SqliteConnection,
    opening: &mut &'static str,
    rows: &[Queued<'_>],
    now: i64,
) -> Result<Vec<bool>, StoreError> {
    if rows.iter().all(|(row, _)| row.fast_path.is_none()) {
        return Ok(vec![false; rows.len()]);
    }
    let mut sessions: HashMap<&ClientId, Held> = HashMap::new();
    let mut clear = Vec::with_capacity(rows.len());
    for (row, queue) in rows {
        let session = match sessions.entry(&row.client) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(held(connection, opening, &row.client).await?),
        };
        let may = row
            .fast_path
            .is_some_and(|fast_path| session.token == Some(fast_path.token))
            && not_before(row) <= now;
        // A second message to the same chat has to wait for the first.
        let begins = may && !session.all && session.queues.insert(queue.to_string());
        session.all |= !begins && not_before(row) <= now;
        clear.push(begins);
    }
    Ok(clear)
}

const HEAD: &str = "INSERT INTO outbox (id, client, message_id, recipient, line, state, chat, attempt, token, priority, held, not_before, expires_at, \
                    created_at, updated_at, message)";
const QUEUED: &str = "(?,?,?,?,?,'queued',NULL,0,0,?,?,?,?,?,?,?)";
const BEGUN: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
const HISTORY: &str = "INSERT INTO message_history (message, step, at, kind, detail)";
/// `IGNORE` leaves out a row whose columns are null, because no plugin was asked: so there are two
/// forms of the statement for each number of messages, none or all, and not one for each number of
/// decisions.
const DECISIONS: &str = "INSERT OR IGNORE INTO decision (id, at, calls, details)";
/// The first decision about a message that the next statement inserts. It comes before the messages,
/// because it would change the last row id, and finds the last sequence number where SQLite keeps
/// it; the messages get the ones after it. The argument is their distance in units of the key.
const DECISION: &str =
    "((SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox') * 4096 + ?,?,?,?)";

fn not_before(row: &NewRow) -> i64 {
    row.message.send_at.map_or(0, |at| at.0)
}

/// Inserts the rows with their history; the last statement includes the commit if they are the
/// `last` work. Returns the row of each message whose sending begins, in order.
async fn messages<'a>(
    connection: &mut SqliteConnection,
    opening: &mut &'static str,
    rows: &'a [Queued<'a>],
    begin: &[bool],
    now: i64,
    last: bool,
) -> Result<Vec<Option<OutboxRow>>, StoreError> {
    let with_step = |((row, queue), begins): (&'a Queued<'a>, &bool)| {
        (
            *row,
            queue,
            row.fast_path
                .filter(|_| *begins)
                .map(|fast_path| (fast_path.token, Step::begun(1, &row.message.to.chat))),
        )
    };
    let rows: Vec<Placed<'_>> = rows.iter().zip(begin).map(with_step).collect();
    let mut begun = Vec::with_capacity(rows.len());
    let mut pieces = many::pieces(&rows).peekable();
    while let Some(piece) = pieces.next() {
        let none_begins = piece.iter().all(|(_, _, begins)| begins.is_none());
        let mut steps = Vec::with_capacity(piece.len());
        for (behind, (row, _, begins)) in (0..piece.len()).rev().zip(piece) {
            let history: Vec<&Step> = row
                .history
                .iter()
                .chain(begins.as_ref().map(|(_, step)| step))
                .collect();
            if !history.is_empty() {
                steps.push((i64::try_from(behind).unwrap_or(0), history::row(&history)?));
            }
        }
        let mut sql = opening.to_owned();
        *opening = "";
        let (decisions, decided) = decisions(piece)?;
        let rows = if decided { piece.len() } else { 0 };
        many::insert(&mut sql, DECISIONS, DECISION, rows);
        many::insert(
            &mut sql,
            HEAD,
            if none_begins { QUEUED } else { BEGUN },
            piece.len(),
        );
        many::insert(
            &mut sql,
            HISTORY,
            "(last_insert_rowid()-?,1,?,?,?)",
            steps.len(),
        );
        if last && pieces.peek().is_none() {
            sql.push_str(COMMIT);
        }
        let mut insert = sqlx::query(AssertSqlSafe(sql));
        for (place, columns) in (1_i64..).zip(&decisions).take(rows) {
            let (calls, details) = columns.as_ref().map_or((None, None), |(calls, details)| {
                (Some(calls), Some(details))
            });
            insert = insert
                .bind(place * 4096 + 1)
                .bind(now)
                .bind(calls)
                .bind(details);
        }
        for (row, queue, begins) in piece {
            insert = insert
                .bind(&row.id.0)
                .bind(row.client.as_str())
                .bind(&row.message_id.0)
                .bind(row.recipient.to_string())
                .bind(queue.to_string());
            if !none_begins {
                let (state, token) = begins.as_ref().map_or((RowState::Queued, 0), |(token, _)| {
                    (RowState::Sending, *token)
                });
                insert = insert
                    .bind(state)
                    .bind(begins.as_ref().map(|_| row.message.to.chat.as_str()))
                    .bind(begins.is_some())
                    .bind(token);
            }
            insert = insert
                .bind(row.priority.number())
                .bind(not_before(row) > now)
                .bind(not_before(row))
                .bind(row.expires_at.map(|at| at.0));
            insert = insert
                .bind(now)
                .bind(now)
                .bind(serde_json::to_string(&row.message)?);
        }
        for (behind, (kind, detail)) in &steps {
            insert = insert
                .bind(*behind)
                .bind(now)
                .bind(*kind)
                .bind(detail.as_str());
        }
        // There is no other writer, so the sequence numbers are consecutive. The history table is
        // `WITHOUT ROWID` and does not change the last row id.
        let after = insert.execute(&mut *connection).await?.last_insert_rowid() + 1;
        let first = after - i64::try_from(piece.len()).unwrap_or(0);
        begun.extend((first..).zip(piece).map(|(seq, (row, queue, begins))| {
            begins
                .as_ref()
                .map(|_| as_begun(row, queue, seq, Timestamp(now)))
        }));
    }
    Ok(begun)
}

/// The columns of each message's decision, and whether there is any decision.
fn decisions(piece: &[Placed<'_>]) -> Result<(Vec<Option<Columns>>, bool), StoreError> {
    let columns = piece
        .iter()
        .map(|(row, ..)| history::decision(&row.history));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let any = columns.iter().any(Option::is_some);
    Ok((columns, any))
}

fn as_begun(row: &NewRow, queue: &Recipient, seq: i64, now: Timestamp) -> OutboxRow {
    OutboxRow {
        seq,
        id: row.id.clone(),
        client: row.client.clone(),
        message_id: row.message_id.clone(),
        recipient: row.recipient.clone(),
        queue: queue.clone(),
        message: row.message.clone(),
        state: RowState::Sending,
        code: None,
        reason: None,
        chat: Some(row.message.to.chat.clone()),
        message_key: None,
        ack: 0,
        priority: row.priority,
        attempt: 1,
        retry_at: Timestamp(0),
        expires_at: row.expires_at,
        profile_gone: false,
        redacted: false,
        created_at: now,
        updated_at: now,
    }
}

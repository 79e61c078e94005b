//! The commit point of sends, many at a time.
//!
//! A batch costs a handful of statements however many callers it serves, and fewer trips to the
//! database's thread: the first statement takes the beginning of the transaction with it, the last
//! one its commit. A row that cannot be stored does not take its neighbours with it: the batch is
//! undone to a savepoint and its rows are stored one by one.

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
        error::StoreError,
        idempotency::{self, Idempotency, Used},
        many,
        transaction::{COMMIT, Transaction},
    },
};

/// A send to be stored.
#[derive(Debug, Clone)]
pub struct NewRow {
    /// Its name.
    pub id: OutboxId,
    /// By which session.
    pub client: ClientId,
    /// Made by us.
    pub message_id: MessageId,
    /// To whom.
    pub recipient: Recipient,
    /// What; its `send_at` is when.
    pub message: OutboundMessage,
    /// What goes first.
    pub priority: Priority,
    /// Not to be begun after.
    pub expires_at: Option<Timestamp>,
    /// So that a retry is not a second message.
    pub idempotency: Option<Idempotency>,
    /// How it came here, oldest first.
    pub history: Vec<Step>,
    /// Begun at once, if nothing holds it back: its address is known.
    pub fast_path: Option<FastPath>,
}

/// How a send begins in the commit that stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FastPath {
    /// The lease of the sender that will give it to the page.
    pub token: i64,
}

/// What became of a send to be stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Accept {
    /// Stored now.
    New,
    /// Stored and begun now, in this row: from here on the page may have it.
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

/// As [`Accept`], with the row.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The send's name.
    pub id: OutboxId,
    /// WhatsApp's id.
    pub message_id: MessageId,
    /// Where it stands.
    pub state: RowState,
    /// It was accepted under the same key before.
    pub known: bool,
}

/// Stores the sends of a batch, its last work, and commits it if it can with the last statement;
/// the answers are in the order of the rows.
pub(in crate::store) async fn all(
    connection: &mut SqliteConnection,
    transaction: &mut Transaction,
    rows: &[NewRow],
) -> Vec<Result<Accept, StoreError>> {
    let error = match together(connection, transaction, rows, true).await {
        Ok(answers) => return answers.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    // No row is to blame for a full disk, nor for a transaction that is not there any more.
    let undone = transaction.undo(connection).await;
    if rows.len() == 1 || error == StoreError::Full || undone.is_err() {
        return vec![Err(error); rows.len()];
    }
    let mut answers = Vec::with_capacity(rows.len());
    for row in rows {
        let stored = together(connection, transaction, std::slice::from_ref(row), false).await;
        if stored.is_err() {
            // Fails when the transaction is gone; the first reason is the one to tell.
            let _ = transaction.undo(connection).await;
        }
        answers.push(stored.and_then(|mut one| {
            one.pop()
                .ok_or_else(|| StoreError::Corrupt("a row without an answer".into()))
        }));
    }
    answers
}

/// All rows or none. `last`: nothing comes after them in the transaction, so the commit may go with
/// them.
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

/// A statement with what is to be said before it, once.
fn opened(opening: &mut &'static str, sql: &str) -> AssertSqlSafe<String> {
    // Constants of the callers.
    AssertSqlSafe([std::mem::take(opening), sql].concat())
}

/// Takes the keys of the rows; whose key was taken before is told so.
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

/// A send with the chat that it belongs to.
type Queued<'a> = (&'a NewRow, Recipient);
/// The same with the lease and the step of one that begins at once.
type Placed<'a> = (&'a NewRow, &'a Recipient, Option<(i64, Step)>);

/// Which chat each belongs to: that of the number behind an opaque id, or of the one that WhatsApp
/// has made of the number that was asked for. A group has its own.
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

/// What holds back the sends of a session.
struct Held {
    /// The lease of its sender.
    token: Option<i64>,
    /// All of them.
    all: bool,
    /// Those of these chats, because the page may or may not have one before.
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

/// Which of the rows begin at once: those that may, and before which nothing of their session
/// waits.
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
        // The next one of that chat waits for this one.
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

fn not_before(row: &NewRow) -> i64 {
    row.message.send_at.map_or(0, |at| at.0)
}

/// The rows and how they came here, with the commit behind the last ones if they are the `last`
/// work; returns those that `begin`.
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
        // Nobody else writes: their places follow each other. The table of their history has no
        // places.
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

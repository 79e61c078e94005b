//! State changes of messages. Every change is one guarded update, so that it happens once even if
//! it is requested twice. Its history step and its event are part of the same commit.

use serde_json::json;

use super::{
    Accept, Finish, NewRow, OutboxId, OutboxRow, RowState,
    history::{Step, note, note_all},
};
use crate::{
    model::{Address, ClientId, Envelope, OutboundMessage, Timestamp},
    store::{Store, StoreError, Urgency, events, pacing, script::Script},
};

/// With what the sending of a message begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// The sender's lease token.
    pub token: i64,
    /// How pacing counts the message: `Some(true)` as one to a stranger, `Some(false)` as one to an
    /// acquaintance, `None` not at all.
    pub counted: Option<bool>,
}

/// The result of beginning to send a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It has begun: from here on the page may have the message.
    Yes,
    /// The message is not in the queue any more: it was cancelled or held.
    NotQueued,
    /// Another sender has taken the lease of this session.
    LeaseLost,
}

impl Store {
    /// Stores a message. It is on the disk when this returns. If several requests with one
    /// idempotency key arrive at once, one is stored.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if too many writes are queued, [`StoreError::Moved`] if the file is not
    /// at its path, or when the database cannot be written.
    pub async fn accept(&self, row: NewRow) -> Result<Accept, StoreError> {
        self.place.check()?;
        self.writer.accept(row).await
    }

    /// Takes the lease for sending in a session and returns its token. A sender with an earlier
    /// token cannot begin to send any more.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn lease(&self, client: &ClientId) -> Result<i64, StoreError> {
        let client = client.to_string();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "INSERT INTO lease (client, token) VALUES (?, 1) ON CONFLICT (client) DO UPDATE SET token = token + 1 RETURNING token";
                    Ok(sqlx::query_scalar(sql).bind(client).fetch_one(connection).await?)
                })
            })
            .await
    }

    /// Marks a message as being sent: from here on the page may have it. `judged` are the verdicts
    /// of the plugins at this moment.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn begin_send(
        &self,
        row: &OutboxRow,
        message: &OutboundMessage,
        judged: Vec<Step>,
        begin: Begin,
    ) -> Result<Begun, StoreError> {
        let (id, chat, message) = (
            row.id.clone(),
            message.to.chat.clone(),
            serde_json::to_string(message)?,
        );
        let (client, now) = (row.client.clone(), Timestamp::now().0);
        self.writer
            .write_then(move |connection| {
                Box::pin(async move {
                    let mut rest = Script::default();
                    let sql = "UPDATE outbox SET state = 'sending', chat = ?1, message = ?2, message_key = NULL, attempt = attempt + 1, token = ?3, \
                               profile_gone = 0, updated_at = ?4 WHERE id = ?5 AND state = 'queued' AND held = 0 \
                               AND ?3 = (SELECT token FROM lease WHERE lease.client = outbox.client) RETURNING seq, attempt";
                    let begun: Option<(i64, i64)> =
                        sqlx::query_as(sql).bind(&chat).bind(message).bind(begin.token).bind(now).bind(id.0).fetch_optional(&mut *connection).await?;
                    let Some((seq, attempt)) = begun else {
                        let sql = "SELECT EXISTS (SELECT 1 FROM lease WHERE client = ? AND token = ?)";
                        let ours = sqlx::query_scalar(sql).bind(client.as_str()).bind(begin.token).fetch_one(&mut *connection).await?;
                        return Ok((if ours { Begun::NotQueued } else { Begun::LeaseLost }, rest));
                    };
                    if let Some(cold) = begin.counted {
                        pacing::count(&mut rest, client.as_str(), seq, cold, now)?;
                    }
                    let mut steps = judged;
                    steps.push(Step::begun(attempt, &chat));
                    note_all(&mut rest, &[(seq, steps)])?;
                    Ok((Begun::Yes, rest))
                })
            })
            .await
    }

    /// Records that the browser profile from which the messages were sent whose sending has begun
    /// is gone.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn profile_gone(&self, client: &ClientId) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET profile_gone = 1 WHERE client = ? AND state IN ('sending', 'unknown') AND profile_gone = 0";
        self.writer
            .statement(sqlx::query(sql).bind(client.to_string()))
            .await
            .map(drop)
    }

    /// Puts a message that the page has never had back into the queue, at its old position. It is
    /// tried again at `retry_at`. A message whose sending was begun by an earlier login keeps its
    /// state, because it would be sent from another account.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn requeue(
        &self,
        id: &OutboxId,
        retry_at: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        let (id, step) = (id.clone(), Step::new("requeued", json!({"reason": reason})));
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE outbox SET state = 'queued', retry_at = ?, updated_at = ? WHERE id = ? \
                               AND (state = 'queued' OR (state IN ('sending', 'unknown') AND profile_gone = 0)) RETURNING seq";
                    let seq = sqlx::query_scalar(sql).bind(retry_at.0).bind(Timestamp::now().0).bind(id.0).fetch_optional(&mut *connection).await?;
                    let Some(seq) = seq else { return Ok(()) };
                    note(connection, seq, &step).await
                })
            })
            .await
    }

    /// Records when the page is to be asked again about a message of unknown outcome, given by
    /// sequence number.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn ask_again(&self, seq: i64, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET retry_at = ? WHERE seq = ? AND state = 'unknown'";
        self.writer
            .statement_deferrable(sqlx::query(sql).bind(at.0).bind(seq))
            .await
            .map(drop)
    }

    /// Moves scheduled messages, of all sessions, whose time has come into the queue.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        let sql =
            "UPDATE outbox SET held = 0 WHERE state = 'queued' AND held = 1 AND not_before <= ?";
        self.writer
            .statement(sqlx::query(sql).bind(now.0))
            .await
            .map(drop)
    }

    /// Records in which chat and under which key the page has stored a message.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn stored_as(
        &self,
        id: &OutboxId,
        address: &Address,
        key: &str,
        urgency: Urgency,
    ) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.add("UPDATE outbox SET chat = ?, message_key = ? WHERE id = ?");
        script.bind(address.chat.clone())?;
        script.bind(key.to_owned())?;
        script.bind(id.0.clone())?;
        self.writer.script(script, urgency).await
    }

    /// Ends a message without an acknowledgement if it is in one of the `from` states, and appends
    /// its event in the same commit. `judged` are the verdicts of the plugins at this moment.
    /// Returns `false` if it is in none of the states.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn finish(
        &self,
        id: &OutboxId,
        from: &'static [RowState],
        finish: Finish,
        judged: Vec<Step>,
        event: Envelope,
    ) -> Result<bool, StoreError> {
        let id = id.clone();
        let lost = matches!(finish, Finish::Lost(_));
        let (state, code, reason) = match finish {
            Finish::NotSent(code, reason) => (RowState::NotSent, Some(code.as_str()), reason),
            Finish::Unknown(reason) | Finish::Lost(reason) => (RowState::Unknown, None, reason),
        };
        self.writer
            .write_then(move |connection| {
                Box::pin(async move {
                    let mut rest = Script::default();
                    let allowed = |state| from.contains(&state);
                    // A message is lost only once. One that has just become unknown may be asked
                    // about at once.
                    let sql = "UPDATE outbox SET state = ?1, code = ?2, reason = ?3, updated_at = ?4, profile_gone = profile_gone OR ?9, \
                               retry_at = iif(?1 = 'unknown', 0, retry_at) WHERE id = ?5 AND \
                               ((state = 'queued' AND ?6) OR (state = 'sending' AND ?7) OR (state = 'unknown' AND ?8 AND NOT (?9 AND profile_gone))) \
                               RETURNING seq";
                    let ended: Option<i64> = sqlx::query_scalar(sql)
                        .bind(state)
                        .bind(code)
                        .bind(&reason)
                        .bind(Timestamp::now().0)
                        .bind(id.0)
                        .bind(allowed(RowState::Queued))
                        .bind(allowed(RowState::Sending))
                        .bind(allowed(RowState::Unknown))
                        .bind(lost)
                        .fetch_optional(&mut *connection)
                        .await?;
                    let Some(seq) = ended else { return Ok((false, rest)) };
                    let step = code.map_or_else(
                        || Step::new("unknown", if lost { json!({"reason": reason, "final": true}) } else { json!({"reason": reason}) }),
                        |code| Step::new("not_sent", json!({"code": code, "reason": reason})),
                    );
                    let mut steps = judged;
                    steps.push(step);
                    note_all(&mut rest, &[(seq, steps)])?;
                    events::insert_all(&mut rest, &[event])?;
                    Ok((true, rest))
                })
            })
            .await
    }

    /// Puts a message that was not sent back into the queue, to be sent at once and without a
    /// deadline. Returns `false` if the message is in another state, because what was or may have
    /// been sent is never sent again, or if its content was deleted.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn retry(&self, id: &OutboxId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE outbox SET state = 'queued', code = NULL, reason = NULL, held = 0, not_before = 0, retry_at = 0, expires_at = NULL, \
                               line = coalesce((SELECT number FROM alias WHERE alias.client = outbox.client AND lid = line), line), \
                               updated_at = ? WHERE id = ? AND state = 'not_sent' AND redacted = 0 RETURNING seq";
                    let seq = sqlx::query_scalar(sql).bind(Timestamp::now().0).bind(id.0).fetch_optional(&mut *connection).await?;
                    let Some(seq) = seq else { return Ok(false) };
                    note(connection, seq, &Step::new("retried", json!({}))).await?;
                    Ok(true)
                })
            })
            .await
    }
}

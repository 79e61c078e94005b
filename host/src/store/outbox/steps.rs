//! What moves a send on. Every step is one guarded update, so that it happens once whoever asks for
//! it, and carries its step of the history and its event in the same commit.

use serde_json::json;

use super::{
    Accept, Finish, NewRow, OutboxId, OutboxRow, RowState,
    history::{Step, note, note_all},
};
use crate::{
    model::{Address, ClientId, Envelope, OutboundMessage, Timestamp},
    store::{Store, StoreError, Urgency, events, pacing, script::Script},
};

/// How a send begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// The sender's lease.
    pub token: i64,
    /// Counted for pacing: true, to a stranger; false, to somebody known. None: not counted.
    pub counted: Option<bool>,
}

/// What became of a send that was to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// From here on the page may have it.
    Yes,
    /// It is not in the queue any more: it was cancelled, or held back.
    NotQueued,
    /// Somebody else sends for this session now.
    LeaseLost,
}

impl Store {
    /// The commit point of a send: on the disk when this returns. Of many at once with one key, one
    /// is stored.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many writes wait; [`StoreError::Moved`]; when the database
    /// refuses.
    pub async fn accept(&self, row: NewRow) -> Result<Accept, StoreError> {
        self.place.check()?;
        self.writer.accept(row).await
    }

    /// Takes over the sending of a session; whoever did it before can change nothing any more.
    ///
    /// # Errors
    /// When the database refuses.
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

    /// Begins a send: from here on the page may have it. `judged`: what the plugins said at this
    /// moment.
    ///
    /// # Errors
    /// When the database refuses.
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

    /// Notes that what was begun until now was begun by a profile that is gone.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn profile_gone(&self, client: &ClientId) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET profile_gone = 1 WHERE client = ? AND state IN ('sending', 'unknown') AND profile_gone = 0";
        self.writer
            .statement(sqlx::query(sql).bind(client.to_string()))
            .await
            .map(drop)
    }

    /// Puts a send back into the queue, in its old place: the page has never had it. It is tried
    /// again at `retry_at`. One that another login has begun stays what it is: it would leave from
    /// another account.
    ///
    /// # Errors
    /// When the database refuses.
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

    /// Notes when a send of unknown outcome is to be asked about again, by its place.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ask_again(&self, seq: i64, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET retry_at = ? WHERE seq = ? AND state = 'unknown'";
        self.writer
            .statement_deferrable(sqlx::query(sql).bind(at.0).bind(seq))
            .await
            .map(drop)
    }

    /// Lets the sends into the queue whose time has come.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        let sql =
            "UPDATE outbox SET held = 0 WHERE state = 'queued' AND held = 1 AND not_before <= ?";
        self.writer
            .statement(sqlx::query(sql).bind(now.0))
            .await
            .map(drop)
    }

    /// Notes where the page has put a message.
    ///
    /// # Errors
    /// When the database refuses.
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

    /// Ends a send without an acknowledgement, if it is in one of the `from` states, and appends
    /// the event of that in the same commit. `judged`: what the plugins said at this moment. False
    /// when it was in none of the states.
    ///
    /// # Errors
    /// When the database refuses.
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
                    // One is lost once; one that is beginning to be unknown may be asked about at
                    // once.
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

    /// Puts a send that ended without leaving back into the queue, at once and without a deadline.
    /// False when it has not ended so, because what was sent or may have been is never sent again,
    /// and when nobody knows any more what it said.
    ///
    /// # Errors
    /// When the database refuses.
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

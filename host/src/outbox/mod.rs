//! The outbox: accept, persist, send, acknowledge, reconcile.
//!
//! SQLite is the only state. A send gets its WhatsApp id and its row before the browser is touched, so after any crash
//! the question "was it sent?" has an answer: the page is asked for that id. Memory only wakes those who wait.

mod accept;
mod bulk;
mod busy;
mod dispatch;
mod doubts;
mod going;
mod held;
mod lane;
mod pace;
mod previews;
mod restrict;
mod sender;
#[cfg(test)]
mod tests;
mod waiters;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};
use tracing::{info, warn};

pub use accept::{AcceptError, Requested, SendRequest, sendable};
pub use bulk::{BulkMessage, BulkRequest};
pub use busy::HeldBack;
use lane::Lanes;
use waiters::Waiters;

pub use crate::store::{
    Accepted, BulkRecipient, BulkReport, Filter, Held, HistoryRow, Idempotency, Listed, OutboxId, OutboxRow, RowState, Sending, StoreError,
};

use crate::{
    config,
    events::Events,
    model::{
        Account, ClientId, Event, FailureCode, MessageId, OutboundMessage, Outcome, RestrictionKind, Timestamp,
        told::{self, Told},
    },
    plugins::Pipeline,
    store::{Ack, Finish, Step, Store},
    tasks,
    whatsapp::{Page, SendNews, SendProgress},
};

/// The outbox. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    pipeline: Arc<dyn Pipeline>,
    events: Events,
    settings: config::Send,
    /// Of sessions that do not have the common one.
    pacings: BTreeMap<ClientId, config::Pacing>,
    waiters: Waiters,
    lanes: Arc<Lanes>,
    /// Something was accepted.
    accepted: Notify,
    /// A bulk order was accepted.
    ordered: Notify,
    /// Held while recipients of orders are taken in, and while a session gets another account: whoever is on the way into
    /// the line would be missed.
    orders: tokio::sync::Mutex<()>,
}

/// What a caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// It is on the disk.
    Accepted,
    /// The page has it in its own database, and sends it as soon as it is connected.
    Stored,
    /// It has an outcome.
    Sent,
}

/// Why a send was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such send.
    #[error("there is no message of that id")]
    Missing,
    /// It stands where that cannot be done.
    #[error("the message is {}", .0.as_str())]
    State(RowState),
    /// What it said was deleted.
    #[error("what the message said was deleted")]
    BodyGone,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Outbox {
    /// An outbox on `store`; `pipeline` decides, `events` are told. `pacings` are those of sessions that do not have the
    /// common one of `settings`.
    #[must_use]
    pub fn new(
        store: Store,
        pipeline: Arc<dyn Pipeline>,
        events: Events,
        settings: config::Send,
        pacings: BTreeMap<ClientId, config::Pacing>,
    ) -> Self {
        let (waiters, lanes, accepted, ordered) = (Waiters::default(), Arc::default(), Notify::new(), Notify::new());
        Self {
            inner: Arc::new(Inner {
                store,
                pipeline,
                events,
                settings,
                pacings,
                waiters,
                lanes,
                accepted,
                ordered,
                orders: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// One send.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn get(&self, id: &OutboxId) -> Result<Option<OutboxRow>, StoreError> {
        self.inner.waiters.noted().await;
        self.inner.store.outbox_row(id).await
    }

    /// What accepting it said.
    ///
    /// # Errors
    /// When there is none, or the database cannot be read.
    pub async fn accepted(&self, id: &OutboxId) -> Result<Accepted, AcceptError> {
        let row = self.get(id).await?.ok_or_else(|| StoreError::Corrupt(format!("the send {id} of an Idempotency-Key")))?;
        Ok(Accepted { id: row.id, message_id: row.message_id, state: row.state, known: true })
    }

    /// Sends the rows of a session while it has a page; ends when the session does.
    pub fn attach(&self, client: ClientId, pages: watch::Receiver<Option<Arc<dyn Page>>>) -> JoinHandle<()> {
        let inner = Arc::clone(&self.inner);
        tasks::until_done("outbox.sender", move || sender::run(Arc::clone(&inner), client.clone(), pages.clone()))
    }

    /// Cancels what a session has not begun; how many those were.
    ///
    /// # Errors
    /// When the database fails; the rest stays queued.
    pub async fn cancel_queued(&self, client: &ClientId, reason: &str) -> Result<u64, StoreError> {
        let mut cancelled = self.inner.store.cancel_pending_of(client, reason).await?;
        cancelled += self.inner.store.cancel_unreadable(client, reason).await?;
        loop {
            let rows = self.inner.store.queued(client).await?;
            if rows.is_empty() {
                return Ok(cancelled);
            }
            // Together, so that they share their flushes to the disk.
            let all = rows.iter().map(|row| self.inner.cancel(row, reason));
            for done in futures_util::future::join_all(all).await {
                // One that began meanwhile is not cancelled, and not found again above.
                cancelled += u64::from(done?);
            }
        }
    }

    /// Takes back a send that has not begun.
    ///
    /// # Errors
    /// When there is none, when it has begun or ended, or the database fails.
    pub async fn cancel(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        let row = self.get(id).await?.ok_or(ChangeError::Missing)?;
        let done = self.inner.cancel(&row, "cancelled by the caller").await?;
        let row = self.get(id).await?.ok_or(ChangeError::Missing)?;
        if done { Ok(row) } else { Err(ChangeError::State(row.state)) }
    }

    /// Puts a send that ended without leaving back into the line, under the same WhatsApp id.
    ///
    /// # Errors
    /// When there is none, when it was or may have been sent, when what it said was deleted, or the database fails.
    pub async fn retry(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        let done = self.inner.store.retry(id).await?;
        if done {
            self.inner.accepted.notify_waiters();
            self.inner.waiters.wake(id);
        }
        let row = self.get(id).await?.ok_or(ChangeError::Missing)?;
        match row.state {
            _ if done => Ok(row),
            RowState::NotSent if row.redacted => Err(ChangeError::BodyGone),
            state => Err(ChangeError::State(state)),
        }
    }

    /// Pauses the sends of a session, or lets them go on; across restarts.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pause(&self, client: &ClientId, pause: bool) -> Result<Sending, StoreError> {
        self.inner.store.pause_sending(client, pause).await?;
        self.inner.accepted.notify_waiters();
        self.sending(client).await
    }

    /// Whether a session may send.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sending(&self, client: &ClientId) -> Result<Sending, StoreError> {
        self.inner.store.sending(client).await
    }

    /// One page of sends, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self, filter: &Filter) -> Result<Listed, StoreError> {
        self.inner.waiters.noted().await;
        self.inner.store.messages(filter).await
    }

    /// The sends that `words` name: an id, or an idempotency key of `scope`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn search(&self, words: &str, scope: &str) -> Result<Vec<OutboxRow>, StoreError> {
        self.inner.waiters.noted().await;
        self.inner.store.find_messages(words, scope).await
    }

    /// What happened to a send, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn history(&self, row: &OutboxRow) -> Result<Vec<HistoryRow>, StoreError> {
        self.inner.store.history(row.seq).await
    }

    /// Waits for the outcome, which is none when `until` was reached before. A send that has not begun after `limit` is
    /// cancelled; one that has is [`Outcome::Unknown`] for now. None: there is no such send.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wait(&self, id: &OutboxId, until: Until, limit: Duration) -> Result<Option<(OutboxRow, Option<Outcome>)>, StoreError> {
        let end = Instant::now() + limit;
        let waiters = &self.inner.waiters;
        let _awaiting = (until == Until::Sent).then(|| waiters.for_outcome());
        let mut changes = waiters.of(id);
        let mut read = None;
        loop {
            let heard = changes.borrow_and_update().clone();
            let mut row = match read.take() {
                Some((at, row)) if at == heard.changes => row,
                _ => match self.inner.store.outbox_row(id).await? {
                    Some(row) => {
                        waiters.named(id, &row.message_id);
                        row
                    }
                    None => return Ok(None),
                },
            };
            read = Some((heard.changes, row.clone()));
            if let Some(stored) = heard.stored.filter(|_| matches!(row.state, RowState::Queued | RowState::Sending) && row.message_key.is_none()) {
                (row.state, row.chat, row.message_key) = (RowState::Sending, Some(stored.address.chat), Some(stored.key));
            }
            if let Some(ack) = heard.acked.filter(|_| matches!(row.state, RowState::Sending | RowState::Unknown)) {
                row.acknowledge(&ack);
            }
            let outcome = row.outcome();
            let reached = match until {
                Until::Accepted => true,
                Until::Stored => row.state == RowState::Sending && row.message_key.is_some(),
                Until::Sent => false,
            };
            if reached || outcome.is_some() {
                return Ok(Some((row, outcome)));
            }
            // The sender lives as long as the outbox.
            if tokio::time::timeout_at(end, changes.changed()).await.is_ok() {
                continue;
            }
            let late = Finish::NotSent(FailureCode::NotSentInTime, format!("not begun within {limit:?}"));
            if self.inner.finish(&row, &[RowState::Queued], late, vec![]).await? {
                read = None;
                continue;
            }
            let Some(row) = self.get(id).await? else { return Ok(None) };
            let begun = Outcome::Unknown { reason: format!("WhatsApp has not acknowledged it within {limit:?}; it is being found out") };
            let outcome = row.outcome().unwrap_or(begun);
            return Ok(Some((row, Some(outcome))));
        }
    }

    /// Whether somebody waits for the outcome of a send.
    #[must_use]
    pub fn outcome_awaited(&self) -> bool {
        self.inner.waiters.outcome_awaited()
    }

    /// Takes news of own messages, in their order: a refusal may be told twice, and the first word is the one that names
    /// its reason.
    ///
    /// # Errors
    /// When the database refuses; the page will be asked again.
    pub async fn on_send_news(&self, client: &ClientId, account: Option<&Account>, news: Vec<SendNews>) -> Result<(), StoreError> {
        let at = Timestamp::now();
        let mut acks = Vec::new();
        for SendNews { id, address, what } in news {
            match what {
                SendProgress::Ack(level) => acks.push(Ack { id, address, level, at }),
                SendProgress::Refused { code, until, reason } => {
                    self.acknowledged(client, account, std::mem::take(&mut acks)).await?;
                    if let Some(kind) = code.and_then(RestrictionKind::from_code) {
                        self.inner.restrict(client, account, kind, until).await?;
                    }
                    self.refused(client, &id, code, &reason).await?;
                }
            }
        }
        self.acknowledged(client, account, acks).await
    }

    async fn acknowledged(&self, client: &ClientId, account: Option<&Account>, acks: Vec<Ack>) -> Result<(), StoreError> {
        if acks.is_empty() {
            return Ok(());
        }
        let (events, me, owner) = (self.inner.events.clone(), account.cloned(), client.clone());
        let tell = move |before: &OutboxRow, ack: &Ack| {
            let mut told = Vec::new();
            if before.state != RowState::Sent {
                let message = OutboundMessage { to: ack.address.clone(), ..before.message.clone() };
                told.push(events.prepare(&owner, me.as_ref(), Event::MessageSent { id: ack.id.clone(), message }));
            }
            let event = Event::MessageAck { id: ack.id.clone(), chat: ack.address.clone(), level: ack.level };
            told.push(events.prepare(&owner, me.as_ref(), event));
            told
        };
        let _noting = self.inner.waiters.acked(&acks).await;
        let rows = self.inner.store.acknowledge(client, acks, tell).await?;
        if !rows.is_empty() {
            self.inner.events.committed();
        }
        for before in rows {
            self.inner.waiters.wake(&before.id);
            if before.state != RowState::Sent {
                metrics::counter!("wharf_sends_total", "outcome" => "sent").increment(1);
                let took = Duration::from_millis(Timestamp::now().since(before.created_at));
                metrics::histogram!("wharf_send_seconds").record(took.as_secs_f64());
                info!(%client, id = %before.id, "sent");
            }
        }
        Ok(())
    }

    async fn refused(&self, client: &ClientId, id: &MessageId, code: Option<u32>, reason: &str) -> Result<(), StoreError> {
        let failure = match code.and_then(RestrictionKind::from_code) {
            Some(_) => FailureCode::Restricted,
            None if reason.contains("Blocked") => FailureCode::Blocked,
            None => FailureCode::RefusedByWhatsapp,
        };
        let Some(row) = self.inner.store.outbox_by_message(client, id).await? else { return Ok(()) };
        let words = match code {
            None => format!("WhatsApp refused it: {reason}"),
            // What the page made of the code says nothing beside it.
            Some(code) if matches!(reason, "ack -1" | "ERROR_UNKNOWN") => format!("WhatsApp refused it with code {code}"),
            Some(code) => format!("WhatsApp refused it with code {code}: {reason}"),
        };
        self.inner.finish(&row, &[RowState::Sending, RowState::Unknown], Finish::NotSent(failure, words), vec![]).await.map(drop)
    }
}

impl Inner {
    /// Looked up before, an address is not believed any more.
    fn oldest_address(&self) -> Timestamp {
        let ttl = i64::try_from(self.settings.address_ttl.duration().as_millis()).unwrap_or(i64::MAX);
        Timestamp(Timestamp::now().0.saturating_sub(ttl))
    }

    /// How fast a session sends.
    fn pacing(&self, client: &ClientId) -> &config::Pacing {
        self.pacings.get(client).unwrap_or(&self.settings.pacing)
    }

    async fn cancel(self: &Arc<Self>, row: &OutboxRow, reason: &str) -> Result<bool, StoreError> {
        self.finish(row, &[RowState::Queued], Finish::NotSent(FailureCode::Cancelled, reason.to_owned()), vec![]).await
    }

    /// Ends a send without an acknowledgement, and tells everybody. `judged`: what the plugins said at this moment. False
    /// when it was not in one of the `from` states.
    async fn finish(self: &Arc<Self>, row: &OutboxRow, from: &'static [RowState], finish: Finish, judged: Vec<Step>) -> Result<bool, StoreError> {
        let (id, message) = (row.message_id.clone(), row.message.clone());
        let (outcome, code, reason, event) = match &finish {
            Finish::NotSent(code, reason) => {
                let event = Event::MessageFailed { id, code: code.as_str().to_owned(), reason: reason.clone(), message };
                ("not_sent", code.as_str(), reason.clone(), event)
            }
            // Not a failure: whoever takes it for one sends the message twice.
            Finish::Unknown(reason) | Finish::Lost(reason) => {
                let for_good = matches!(finish, Finish::Lost(_));
                let told = told::Unknown { id, reason: reason.clone(), to: message.to, for_good };
                ("unknown", "outcome_unknown", reason.clone(), told.event())
            }
        };
        let event = self.events.prepare(&row.client, None, event);
        let (inner, id, client) = (Arc::clone(self), row.id.clone(), row.client.clone());
        // A task of its own: whoever asked may be dropped with its page, and those who wait would not hear of the commit.
        let finishing = tokio::spawn(async move {
            if !inner.store.finish(&id, from, finish, judged, event).await? {
                return Ok(false);
            }
            inner.events.committed();
            inner.waiters.wake(&id);
            metrics::counter!("wharf_sends_total", "outcome" => outcome).increment(1);
            warn!(%client, %id, code, reason, "{outcome}");
            Ok(true)
        });
        finishing.await.unwrap_or_else(|error| Err(StoreError::Database(error.to_string())))
    }
}

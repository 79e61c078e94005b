//! Implements the sessions' [`Journal`] with the store, the outbox and the event log.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tracing::{error, info};

use crate::{
    events::Events,
    model::{Account, ClientId, Envelope, Event, Restriction, Timestamp, Transition},
    outbox::{Held, Outbox, StoreError},
    session::{Arrival, HealthNote, Journal, Unread},
    store::{HealthRow, Store},
    tasks::Trouble,
    whatsapp::{SendNews, TimeLock},
};

#[derive(Debug)]
pub(super) struct GatewayJournal {
    store: Store,
    outbox: Outbox,
    events: Events,
    /// What cannot be recorded, by session and kind of record, with the last cause.
    troubles: Mutex<HashMap<(ClientId, &'static str), Trouble>>,
}

impl GatewayJournal {
    pub(super) fn new(store: Store, outbox: Outbox, events: Events) -> Self {
        Self {
            store,
            outbox,
            events,
            troubles: Mutex::default(),
        }
    }

    /// Logs a failure to record something. A session does not stop because of it. Each cause is
    /// logged once: on a full disk, a page reports the same messages again and again.
    fn said<T>(&self, client: &ClientId, what: &'static str, result: Result<T, StoreError>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (client.clone(), what);
        match result {
            Ok(_) => {
                if troubles.remove(&key).is_some() {
                    info!(%client, "{what} is recorded again");
                }
            }
            Err(error) => {
                if troubles.entry(key).or_default().is_new(&error) {
                    error!(%client, %error, "{what} was not recorded; this is not logged again while the cause lasts");
                }
            }
        }
    }
}

#[async_trait]
impl Journal for GatewayJournal {
    async fn entered(&self, transition: &Transition, account: Option<&Account>, linked: bool) {
        let client = &transition.client;
        let event = Event::SessionState {
            before: transition.before,
            after: transition.after,
            reason: Some(transition.reason.clone()),
        };
        let event = self.events.prepare(client, account, event);
        self.said(
            client,
            "a transition",
            self.store
                .record_transition(transition, account, linked, event)
                .await,
        );
        self.events.committed();
        if !linked {
            self.said(
                client,
                "the end of a login",
                self.outbox
                    .login_ended(client, "the login ended before WhatsApp acknowledged it")
                    .await,
            );
            // The restrictions concerned the account whose login has ended.
            self.said(
                client,
                "the end of its restrictions",
                self.outbox.lift(client).await,
            );
        }
    }

    async fn qr(&self, client: &ClientId, code: &str, expires_at: Timestamp, attempt: u32) {
        let event = Event::Qr {
            code: code.to_owned(),
            expires_at,
            attempt,
        };
        self.said(
            client,
            "a QR's event",
            self.events.append(client, None, event).await,
        );
    }

    async fn pairing_code(
        &self,
        client: &ClientId,
        code: &str,
        expires_at: Timestamp,
        attempt: u32,
    ) {
        let event = Event::PairingCode {
            code: code.to_owned(),
            expires_at,
            attempt,
        };
        self.said(
            client,
            "a pairing code's event",
            self.events.append(client, None, event).await,
        );
    }

    async fn report(&self, client: &ClientId, account: Option<&Account>, event: Event) {
        self.said(
            client,
            "an event",
            self.events.append(client, account, event).await,
        );
    }

    async fn messages(
        &self,
        client: &ClientId,
        account: Option<&Account>,
        messages: Vec<Arrival>,
    ) -> bool {
        let prepare = |Arrival { message, missed }| {
            let id = message.id.clone();
            (
                id,
                Envelope {
                    replayed: missed,
                    ..self
                        .events
                        .prepare(client, account, Event::MessageReceived(message))
                },
            )
        };
        let appended = self
            .store
            .append_inbound(messages.into_iter().map(prepare).collect())
            .await;
        self.events.committed();
        metrics::counter!("wharf_messages_received_total", "session" => client.to_string())
            .increment(appended.as_ref().map_or(0, |new| *new));
        let recorded = appended.is_ok();
        self.said(client, "an inbound message", appended);
        recorded
    }

    async fn told_until(
        &self,
        client: &ClientId,
        account: &Account,
    ) -> Result<Option<Timestamp>, Unread> {
        self.store
            .told_until(client, account)
            .await
            .map_err(|error| {
                error!(%client, %error, "cannot read which messages were already reported; will try again soon");
                Unread
            })
    }

    async fn all_told(&self, client: &ClientId, account: &Account, at: Timestamp) {
        self.said(
            client,
            "the time until which messages were reported",
            self.store.all_told(client, account, at).await,
        );
    }

    async fn send_news(&self, client: &ClientId, account: Option<&Account>, news: Vec<SendNews>) {
        self.said(
            client,
            "an acknowledgement",
            self.outbox.on_send_news(client, account, news).await,
        );
    }

    fn outcome_awaited(&self) -> bool {
        self.outbox.outcome_awaited()
    }

    async fn time_lock(
        &self,
        client: &ClientId,
        account: Option<&Account>,
        lock: Option<TimeLock>,
    ) {
        self.said(
            client,
            "the time lock",
            self.outbox.time_lock(client, account, lock).await,
        );
    }

    async fn account(&self, client: &ClientId, account: Option<&Account>) -> bool {
        let noted = self.outbox.note_account(client, account).await;
        let recorded = noted.is_ok();
        self.said(client, "the session's account", noted);
        recorded
    }

    async fn held(&self, client: &ClientId) -> u64 {
        let held = self.outbox.held(client).await.unwrap_or_else(|error| {
            error!(%client, %error, "cannot read how many messages are held");
            Held::default()
        });
        held.messages.saturating_add(held.recipients)
    }

    async fn restrictions(&self, client: &ClientId) -> Vec<Restriction> {
        self.outbox
            .restrictions(client)
            .await
            .unwrap_or_else(|error| {
                error!(%client, %error, "cannot read the restrictions of the account");
                vec![]
            })
    }

    async fn unacknowledged(&self, client: &ClientId, age: Duration) -> u64 {
        let counted = self
            .store
            .unacknowledged(client, Timestamp::now().minus(age))
            .await;
        counted.unwrap_or_else(|error| {
            error!(%client, %error, "sends without an acknowledgement cannot be counted");
            0
        })
    }

    async fn health(&self, client: &ClientId, note: &HealthNote) {
        let detail = serde_json::to_string(note).unwrap_or_default();
        self.said(
            client,
            "a health check",
            self.store
                .record_health(
                    client,
                    HealthRow {
                        at: note.at,
                        ok: note.ok,
                        detail,
                    },
                )
                .await,
        );
    }
}

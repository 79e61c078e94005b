//! The gateway as the API sees it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::Instant};

use super::{sessions::Sessions, upkeep};
use crate::{
    api::{Core, HeldAction, HelperAddress, LinkFailure, PasskeyFailure, SendCall, SendFailure, SendReply, SessionAction, SessionFailure},
    config::Config,
    events::{DeliveryFilter, Events, Letter, ReceiverReport},
    model::{ClientId, PhoneNumber, Region, Restriction, SessionState, Transition},
    outbox::{
        AcceptError, Accepted, BulkRecipient, BulkReport, BulkRequest, ChangeError, Filter, Held, HistoryRow, Idempotency, Listed, Outbox, OutboxId,
        OutboxRow, SendRequest, Sending, StoreError, Until,
    },
    session::{self, Cleanup, PairingError, PairingView, PasskeyView, ProfileFate, SessionHandle, Snapshot},
    store::{HealthRow, Store},
};

/// Transitions and health checks shown in `session-info`.
const SHOWN: u32 = 20;
/// A probe's answer is repeated for so long.
const CHECKED_FOR: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct GatewayCore {
    pub(super) config: Arc<Config>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) store: Store,
    pub(super) outbox: Outbox,
    pub(super) events: Events,
    pub(super) metrics: PrometheusHandle,
    pub(super) helper: HelperAddress,
    /// What the database last said to a probe.
    pub(super) checked: Mutex<Option<(Instant, Result<(), StoreError>)>>,
}

#[async_trait]
impl Core for GatewayCore {
    fn default_client(&self) -> &ClientId {
        &self.config.sessions.default_client
    }

    fn region(&self) -> Option<Region> {
        // It was checked when the configuration was read.
        self.config.send.default_region.as_deref().and_then(|region| region.parse().ok())
    }

    fn session(&self, client: &ClientId) -> Option<Snapshot> {
        self.sessions.get(client).map(|handle| handle.snapshot().borrow().clone())
    }

    fn sessions(&self) -> Vec<(ClientId, Snapshot)> {
        self.sessions.all().iter().map(|handle| (handle.client().clone(), handle.snapshot().borrow().clone())).collect()
    }

    async fn create_session(&self, client: ClientId, start: bool, metadata: Vec<(String, String)>) -> Result<(), SessionFailure> {
        self.sessions.create(client, start, metadata).await
    }

    async fn control_session(&self, client: &ClientId, action: SessionAction) -> Result<(), SessionFailure> {
        self.sessions.control(client, action).await
    }

    async fn delete_session(&self, client: &ClientId, fate: ProfileFate) -> Result<Cleanup, SessionFailure> {
        self.sessions.delete(client, fate).await
    }

    async fn session_info(&self, client: &ClientId) -> Result<Value, SessionFailure> {
        let handle = self.sessions.get(client).ok_or_else(|| SessionFailure::Unknown(client.clone()))?;
        let transitions = self.store.transitions(client, SHOWN).await?;
        let health = self.store.health(client, SHOWN).await?;
        let browser = handle.browser().await;
        let (root, owner) = (self.config.sessions.path.clone(), client.clone());
        let profile = tokio::task::spawn_blocking(move || session::facts(&root, &owner)).await;
        let profile = profile.map_err(|error| SessionFailure::Failed(error.to_string()))?;
        let now = handle.snapshot().borrow().clone();
        Ok(json!({
            "clientId": client, "state": now.state, "connectionStatus": now.state, "isReady": now.state == SessionState::Ready,
            "reason": now.reason, "passkey": now.passkey.as_ref().map(PasskeyView::shape), "notices": now.notices, "since": now.since.rfc3339(), "linked": now.linked, "account": now.account,
            "transitions": transitions.iter().map(transition).collect::<Vec<_>>(),
            "reconnect": {
                "attempt": now.attempt, "maxAttempts": self.config.sessions.max_attempts, "launches": now.launches,
                "nextAttemptAt": now.next_attempt_at.map(crate::model::Timestamp::rfc3339),
            },
            "health": health.iter().map(health_check).collect::<Vec<_>>(),
            "browser": browser, "profile": profile,
            "whatsapp": {"version": now.page.as_ref().and_then(|page| page.version.clone()), "page": now.page, "contract": now.contract},
            "timestamp": crate::model::Timestamp::now().rfc3339(),
        }))
    }

    async fn repeated(&self, key: &Idempotency, until: Until) -> Result<Option<SendReply>, SendFailure> {
        match self.outbox.repeated(key).await.transpose() {
            Some(known) => self.reply(known, until).await.map(Some),
            None => Ok(None),
        }
    }

    async fn send(&self, call: SendCall) -> Result<SendReply, SendFailure> {
        let handle = self.sessions.get(&call.client).ok_or_else(|| SendFailure::UnknownClient(call.client.clone()))?;
        let now = handle.snapshot().borrow().clone();
        if call.until != Until::Accepted
            && let Some(failure) = self.refused_now(&call, now).await?
        {
            return Err(failure);
        }
        let request = SendRequest {
            client: call.client,
            to: call.to,
            content: call.content,
            reply_to: call.reply_to,
            send_at: call.send_at,
            expires_at: call.expires_at,
            priority: call.priority,
            metadata: call.metadata,
            idempotency: call.idempotency,
        };
        self.reply(self.outbox.accept(request).await, call.until).await
    }

    async fn message(&self, id: &OutboxId) -> Result<Option<(OutboxRow, Vec<HistoryRow>)>, StoreError> {
        let Some(row) = self.outbox.get(id).await? else { return Ok(None) };
        let history = self.outbox.history(&row).await?;
        Ok(Some((row, history)))
    }

    async fn messages(&self, filter: &Filter) -> Result<Listed, StoreError> {
        self.outbox.list(filter).await
    }

    async fn search_messages(&self, words: &str, scope: &str) -> Result<Vec<OutboxRow>, StoreError> {
        self.outbox.search(words, scope).await
    }

    async fn cancel_message(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        self.outbox.cancel(id).await
    }

    async fn retry_message(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        self.outbox.retry(id).await
    }

    async fn repeated_bulk(&self, key: &Idempotency) -> Result<Option<String>, SendFailure> {
        Ok(self.outbox.repeated_bulk(key).await?)
    }

    async fn create_bulk(&self, request: BulkRequest) -> Result<String, SendFailure> {
        self.sessions.get(&request.client).ok_or_else(|| SendFailure::UnknownClient(request.client.clone()))?;
        Ok(self.outbox.bulk(request).await?)
    }

    async fn bulk(&self, id: &str) -> Result<Option<BulkReport>, StoreError> {
        self.outbox.bulk_report(id).await
    }

    async fn bulk_recipients(&self, order: &BulkReport, state: Option<&str>, from: i64, limit: u32) -> Result<Vec<BulkRecipient>, StoreError> {
        self.outbox.bulk_recipients(order, state, from, limit).await
    }

    async fn cancel_bulk(&self, order: &BulkReport) -> Result<u64, StoreError> {
        self.outbox.cancel_bulk(order).await
    }

    async fn sending(&self, client: &ClientId) -> Result<(Sending, Vec<Restriction>), SessionFailure> {
        self.sessions.get(client).ok_or_else(|| SessionFailure::Unknown(client.clone()))?;
        Ok((self.outbox.sending(client).await?, self.outbox.restrictions(client).await?))
    }

    async fn lift_restrictions(&self, client: &ClientId) -> Result<(), SessionFailure> {
        self.sessions.get(client).ok_or_else(|| SessionFailure::Unknown(client.clone()))?;
        Ok(self.outbox.lift(client).await?)
    }

    async fn pause_sending(&self, client: &ClientId, pause: bool) -> Result<(), SessionFailure> {
        self.sessions.get(client).ok_or_else(|| SessionFailure::Unknown(client.clone()))?;
        self.outbox.pause(client, pause).await?;
        Ok(())
    }

    async fn held(&self, client: &ClientId) -> Result<Held, SessionFailure> {
        self.sessions.get(client).ok_or_else(|| SessionFailure::Unknown(client.clone()))?;
        Ok(self.outbox.held(client).await?)
    }

    async fn change_held(&self, client: &ClientId, action: HeldAction) -> Result<Held, SessionFailure> {
        self.sessions.get(client).ok_or_else(|| SessionFailure::Unknown(client.clone()))?;
        Ok(match action {
            HeldAction::Release => self.outbox.release_held(client).await?,
            HeldAction::Cancel => self.outbox.cancel_held(client).await?,
        })
    }

    async fn purge_messages(&self, client: &ClientId) -> Result<u64, StoreError> {
        self.outbox.cancel_queued(client, "purged by the caller").await
    }

    async fn deliveries(&self, filter: &DeliveryFilter, before: Option<&str>, limit: u32) -> Result<(Vec<Letter>, Option<String>), StoreError> {
        self.events.deliveries(filter, before, limit).await
    }

    async fn delivery(&self, id: &str) -> Result<Option<Letter>, StoreError> {
        self.events.delivery(id).await
    }

    async fn receivers(&self) -> Result<Vec<ReceiverReport>, StoreError> {
        self.events.receivers().await
    }

    async fn retry_delivery(&self, id: &str) -> Result<bool, StoreError> {
        self.events.retry_delivery(id).await
    }

    async fn retry_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        self.events.retry_deliveries(filter).await
    }

    async fn purge_delivery(&self, id: &str) -> Result<bool, StoreError> {
        self.events.purge_delivery(id).await
    }

    async fn purge_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        self.events.purge_deliveries(filter).await
    }

    async fn reconnect(&self, client: &ClientId) -> Result<(), SessionFailure> {
        self.control_session(client, SessionAction::Restart).await
    }

    async fn pairing_code(&self, client: &ClientId, number: &PhoneNumber) -> Result<PairingView, LinkFailure> {
        let handle = self.sessions.get(client).ok_or_else(|| LinkFailure::Unknown(client.clone()))?;
        Ok(handle.pairing_code(number).await?)
    }

    async fn cancel_pairing(&self, client: &ClientId) -> Result<(), LinkFailure> {
        let handle = self.sessions.get(client).ok_or_else(|| LinkFailure::Unknown(client.clone()))?;
        Ok(handle.cancel_pairing().await.map_err(PairingError::from)?)
    }

    fn helper(&self) -> &HelperAddress {
        &self.helper
    }

    async fn answer_passkey(&self, client: &ClientId, assertion: &[u8]) -> Result<PasskeyView, PasskeyFailure> {
        Ok(self.asked(client)?.answer_passkey(assertion).await?)
    }

    async fn confirm_passkey(&self, client: &ClientId, code: &str) -> Result<PasskeyView, PasskeyFailure> {
        Ok(self.asked(client)?.confirm_passkey(code).await?)
    }

    async fn cancel_passkey(&self, client: &ClientId) -> Result<(), PasskeyFailure> {
        Ok(self.asked(client)?.cancel_passkey().await?)
    }

    async fn cleanup(&self, dry_run: bool) -> Result<Cleanup, String> {
        upkeep::clean(&self.config, &self.sessions, dry_run).await
    }

    fn metrics(&self) -> String {
        self.metrics.render()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        // The path needs no key: however often it is asked, the database is asked once a second.
        let mut last = self.checked.lock().await;
        match &*last {
            Some((at, result)) if at.elapsed() < CHECKED_FOR => result.clone(),
            _ => {
                let result = self.store.check().await;
                let before = last.as_ref().map(|(_, result)| result);
                // Probes are told a code; the operator the cause, once.
                if let Err(error) = &result
                    && before != Some(&result)
                {
                    tracing::error!(%error, "the gateway is not ready: its database takes no writes");
                }
                *last = Some((Instant::now(), result.clone()));
                result
            }
        }
    }
}

impl GatewayCore {
    fn asked(&self, client: &ClientId) -> Result<SessionHandle, PasskeyFailure> {
        self.sessions.get(client).ok_or_else(|| PasskeyFailure::Unknown(client.clone()))
    }

    /// What becomes of an accepted send, as far as its caller wants to wait.
    async fn reply(&self, accepted: Result<Accepted, AcceptError>, until: Until) -> Result<SendReply, SendFailure> {
        let accepted = match accepted {
            // Who does not wait for the outcome is told of the same send again.
            Err(AcceptError::InFlight(id)) if until == Until::Accepted => self.outbox.accepted(&id).await?,
            accepted => accepted?,
        };
        if until == Until::Accepted {
            return Ok(SendReply::Accepted(accepted));
        }
        let limit = if accepted.known { Duration::ZERO } else { self.config.send.timeout.duration() };
        let done = self.outbox.wait(&accepted.id, until, limit).await.map_err(AcceptError::from)?;
        let gone = || AcceptError::Store(StoreError::Corrupt(format!("the send {}", accepted.id)));
        let (row, outcome) = done.ok_or_else(gone)?;
        Ok(match outcome {
            Some(outcome) => SendReply::Done(Box::new(row), outcome),
            None => SendReply::Accepted(Accepted { state: row.state, ..accepted }),
        })
    }

    /// Why a send that somebody waits for cannot begin now.
    async fn refused_now(&self, call: &SendCall, now: Snapshot) -> Result<Option<SendFailure>, AcceptError> {
        if now.state != SessionState::Ready {
            return Ok(Some(SendFailure::NotReady { state: now.state, reason: now.reason }));
        }
        Ok(self.outbox.held_back(&call.client, &call.to).await?.map(SendFailure::HeldBack))
    }
}

fn transition(step: &Transition) -> Value {
    json!({"at": step.at.rfc3339(), "from": step.before, "to": step.after, "reason": step.reason})
}

fn health_check(row: &HealthRow) -> Value {
    let detail: Value = serde_json::from_str(&row.detail).unwrap_or_default();
    json!({"at": row.at.rfc3339(), "ok": row.ok, "check": detail})
}

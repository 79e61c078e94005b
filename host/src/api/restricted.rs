//! The gateway as a key of some sessions, or one that may not link, sees it.
//!
//! Sessions are named in many ways: in the path, in a field, by a message's id, by an order's, by nothing. All of them end
//! in a method of [`Core`], so this is the one place where another's session is told apart: it is not there. Whoever adds a
//! method has to say here what a restricted key gets.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Core, HeldAction, HelperAddress, LinkFailure, PasskeyFailure, SendCall, SendFailure, SendReply, SessionAction, SessionFailure};
use crate::{
    events::{DeliveryFilter, Letter, ReceiverReport},
    model::{ClientId, PhoneNumber, Region, Restriction},
    outbox::{
        BulkRecipient, BulkReport, BulkRequest, ChangeError, Filter, Held, HistoryRow, Idempotency, Listed, OutboxId, OutboxRow, Sending, StoreError,
        Until,
    },
    session::{Cleanup, PairingView, PasskeyView, ProfileFate, Snapshot},
};

/// What one key may see of the gateway.
#[derive(Debug)]
pub(super) struct Restricted {
    pub(super) core: Arc<dyn Core>,
    /// None: all sessions.
    pub(super) sessions: Option<BTreeSet<ClientId>>,
    /// Whether what links a session is shown.
    pub(super) may_link: bool,
}

impl Restricted {
    fn sees(&self, client: &ClientId) -> bool {
        self.sessions.as_ref().is_none_or(|sessions| sessions.contains(client))
    }

    fn session_of(&self, client: &ClientId) -> Result<(), SessionFailure> {
        if self.sees(client) { Ok(()) } else { Err(SessionFailure::Unknown(client.clone())) }
    }

    /// A session without what would let its reader link it.
    fn shown(&self, mut now: Snapshot) -> Snapshot {
        if !self.may_link {
            (now.qr, now.pairing) = (None, None);
            now.past_passkeys.clear();
            if let Some(passkey) = &mut now.passkey {
                (passkey.public_key, passkey.code, passkey.token) = (None, None, None);
            }
        }
        now
    }

    async fn owns_message(&self, id: &OutboxId) -> Result<bool, StoreError> {
        Ok(self.core.message(id).await?.is_some_and(|(row, _)| self.sees(&row.client)))
    }

    /// A delivery whose event is gone is nobody's.
    fn owns(&self, letter: &Letter) -> bool {
        self.sessions.is_none() || letter.event.as_ref().is_some_and(|event| self.sees(&event.session))
    }
}

#[async_trait]
impl Core for Restricted {
    fn default_client(&self) -> &ClientId {
        self.core.default_client()
    }

    fn region(&self) -> Option<Region> {
        self.core.region()
    }

    fn session(&self, client: &ClientId) -> Option<Snapshot> {
        self.core.session(client).filter(|_| self.sees(client)).map(|now| self.shown(now))
    }

    async fn session_info(&self, client: &ClientId) -> Result<Value, SessionFailure> {
        self.session_of(client)?;
        let mut info = self.core.session_info(client).await?;
        if !self.may_link && info.get("passkey").is_some_and(|passkey| !passkey.is_null()) {
            let now = self.session(client);
            info["passkey"] = json!(now.and_then(|now| now.passkey).as_ref().map(PasskeyView::shape));
        }
        Ok(info)
    }

    async fn repeated(&self, key: &Idempotency, until: Until) -> Result<Option<SendReply>, SendFailure> {
        self.core.repeated(key, until).await
    }

    async fn send(&self, call: SendCall) -> Result<SendReply, SendFailure> {
        if !self.sees(&call.client) {
            return Err(SendFailure::UnknownClient(call.client));
        }
        self.core.send(call).await
    }

    async fn message(&self, id: &OutboxId) -> Result<Option<(OutboxRow, Vec<HistoryRow>)>, StoreError> {
        Ok(self.core.message(id).await?.filter(|(row, _)| self.sees(&row.client)))
    }

    async fn messages(&self, filter: &Filter) -> Result<Listed, StoreError> {
        let Some(sessions) = &self.sessions else { return self.core.messages(filter).await };
        let mut filter = filter.clone();
        match (&filter.client, sessions.first()) {
            (Some(client), _) if !self.sees(client) => return Ok(Listed { rows: vec![], unreadable: vec![], next: None }),
            (None, Some(only)) if sessions.len() == 1 => filter.client = Some(only.clone()),
            _ => {}
        }
        let mut listed = self.core.messages(&filter).await?;
        listed.rows.retain(|row| self.sees(&row.client));
        if filter.client.is_none() {
            // Nobody knows whose they are.
            listed.unreadable.clear();
        }
        Ok(listed)
    }

    async fn search_messages(&self, words: &str, scope: &str) -> Result<Vec<OutboxRow>, StoreError> {
        let mut rows = self.core.search_messages(words, scope).await?;
        rows.retain(|row| self.sees(&row.client));
        Ok(rows)
    }

    async fn cancel_message(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        if self.owns_message(id).await? { self.core.cancel_message(id).await } else { Err(ChangeError::Missing) }
    }

    async fn retry_message(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        if self.owns_message(id).await? { self.core.retry_message(id).await } else { Err(ChangeError::Missing) }
    }

    async fn purge_messages(&self, client: &ClientId) -> Result<u64, StoreError> {
        if self.sees(client) { self.core.purge_messages(client).await } else { Ok(0) }
    }

    async fn repeated_bulk(&self, key: &Idempotency) -> Result<Option<String>, SendFailure> {
        self.core.repeated_bulk(key).await
    }

    async fn create_bulk(&self, request: BulkRequest) -> Result<String, SendFailure> {
        if !self.sees(&request.client) {
            return Err(SendFailure::UnknownClient(request.client));
        }
        self.core.create_bulk(request).await
    }

    async fn bulk(&self, id: &str) -> Result<Option<BulkReport>, StoreError> {
        Ok(self.core.bulk(id).await?.filter(|order| self.sees(&order.client)))
    }

    async fn bulk_recipients(&self, order: &BulkReport, state: Option<&str>, from: i64, limit: u32) -> Result<Vec<BulkRecipient>, StoreError> {
        if self.sees(&order.client) { self.core.bulk_recipients(order, state, from, limit).await } else { Ok(vec![]) }
    }

    async fn cancel_bulk(&self, order: &BulkReport) -> Result<u64, StoreError> {
        if self.sees(&order.client) { self.core.cancel_bulk(order).await } else { Ok(0) }
    }

    async fn sending(&self, client: &ClientId) -> Result<(Sending, Vec<Restriction>), SessionFailure> {
        self.session_of(client)?;
        self.core.sending(client).await
    }

    async fn lift_restrictions(&self, client: &ClientId) -> Result<(), SessionFailure> {
        self.session_of(client)?;
        self.core.lift_restrictions(client).await
    }

    async fn pause_sending(&self, client: &ClientId, pause: bool) -> Result<(), SessionFailure> {
        self.session_of(client)?;
        self.core.pause_sending(client, pause).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter, before: Option<&str>, limit: u32) -> Result<(Vec<Letter>, Option<String>), StoreError> {
        let (mut letters, next) = self.core.deliveries(filter, before, limit).await?;
        letters.retain(|letter| self.owns(letter));
        Ok((letters, next))
    }

    async fn delivery(&self, id: &str) -> Result<Option<Letter>, StoreError> {
        Ok(self.core.delivery(id).await?.filter(|letter| self.owns(letter)))
    }

    async fn receivers(&self) -> Result<Vec<ReceiverReport>, StoreError> {
        if self.sessions.is_none() { self.core.receivers().await } else { Ok(vec![]) }
    }

    async fn retry_delivery(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.delivery(id).await?.is_some() && self.core.retry_delivery(id).await?)
    }

    async fn retry_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        if self.sessions.is_none() { self.core.retry_deliveries(filter).await } else { Ok(0) }
    }

    async fn purge_delivery(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.delivery(id).await?.is_some() && self.core.purge_delivery(id).await?)
    }

    async fn purge_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        if self.sessions.is_none() { self.core.purge_deliveries(filter).await } else { Ok(0) }
    }

    async fn held(&self, client: &ClientId) -> Result<Held, SessionFailure> {
        self.session_of(client)?;
        self.core.held(client).await
    }

    async fn change_held(&self, client: &ClientId, action: HeldAction) -> Result<Held, SessionFailure> {
        self.session_of(client)?;
        self.core.change_held(client, action).await
    }

    fn sessions(&self) -> Vec<(ClientId, Snapshot)> {
        let all = self.core.sessions().into_iter().filter(|(client, _)| self.sees(client));
        all.map(|(client, now)| (client, self.shown(now))).collect()
    }

    async fn create_session(&self, client: ClientId, start: bool, metadata: Vec<(String, String)>) -> Result<(), SessionFailure> {
        self.session_of(&client)?;
        self.core.create_session(client, start, metadata).await
    }

    async fn control_session(&self, client: &ClientId, action: SessionAction) -> Result<(), SessionFailure> {
        self.session_of(client)?;
        self.core.control_session(client, action).await
    }

    async fn delete_session(&self, client: &ClientId, fate: ProfileFate) -> Result<Cleanup, SessionFailure> {
        self.session_of(client)?;
        self.core.delete_session(client, fate).await
    }

    async fn reconnect(&self, client: &ClientId) -> Result<(), SessionFailure> {
        self.session_of(client)?;
        self.core.reconnect(client).await
    }

    async fn pairing_code(&self, client: &ClientId, number: &PhoneNumber) -> Result<PairingView, LinkFailure> {
        if self.sees(client) { self.core.pairing_code(client, number).await } else { Err(LinkFailure::Unknown(client.clone())) }
    }

    async fn cancel_pairing(&self, client: &ClientId) -> Result<(), LinkFailure> {
        if self.sees(client) { self.core.cancel_pairing(client).await } else { Err(LinkFailure::Unknown(client.clone())) }
    }

    fn helper(&self) -> &HelperAddress {
        self.core.helper()
    }

    async fn answer_passkey(&self, client: &ClientId, assertion: &[u8]) -> Result<PasskeyView, PasskeyFailure> {
        if self.sees(client) { self.core.answer_passkey(client, assertion).await } else { Err(PasskeyFailure::Unknown(client.clone())) }
    }

    async fn confirm_passkey(&self, client: &ClientId, code: &str) -> Result<PasskeyView, PasskeyFailure> {
        if self.sees(client) { self.core.confirm_passkey(client, code).await } else { Err(PasskeyFailure::Unknown(client.clone())) }
    }

    async fn cancel_passkey(&self, client: &ClientId) -> Result<(), PasskeyFailure> {
        if self.sees(client) { self.core.cancel_passkey(client).await } else { Err(PasskeyFailure::Unknown(client.clone())) }
    }

    async fn cleanup(&self, dry_run: bool) -> Result<Cleanup, String> {
        if self.sessions.is_none() { self.core.cleanup(dry_run).await } else { Err("this key is for some sessions only".into()) }
    }

    fn metrics(&self) -> String {
        if self.sessions.is_none() { self.core.metrics() } else { String::new() }
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.core.ready().await
    }
}

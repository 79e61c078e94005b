//! What is behind the API in the servers that the gateway is measured beside.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::SqlitePool;
use wharf::{
    api::{Core, HeldAction, HelperAddress, LinkFailure, PasskeyFailure, SendCall, SendFailure, SendReply, SessionAction, SessionFailure},
    events::{DeliveryFilter, Letter, ReceiverReport},
    model::{Address, ClientId, MessageId, OutboundMessage, PhoneNumber, Region, Restriction, Timestamp},
    outbox::{
        AcceptError, Accepted, BulkRecipient, BulkReport, BulkRequest, ChangeError, Filter, Held, HistoryRow, Idempotency, Listed, OutboxId,
        OutboxRow, Requested, RowState, Sending, StoreError, Until,
    },
    plugins::{Decision, KvError, KvSpace, KvStore, Pipeline, PluginHost, Subject},
    session::{Cleanup, PairingView, PasskeyView, ProfileFate, Snapshot},
};

/// The plugins' key-value storage where there is no database.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<HashMap<String, (Vec<u8>, u64)>>);

#[async_trait]
impl KvStore for Memory {
    async fn get(&self, _: &KvSpace, key: &str) -> Result<Option<(Vec<u8>, u64)>, KvError> {
        Ok(self.0.lock().map_err(|error| KvError::Unavailable(error.to_string()))?.get(key).cloned())
    }

    async fn set(&self, _: &KvSpace, _: &str, _: Option<Option<u64>>, _: &[u8], _: Option<Duration>) -> Result<bool, KvError> {
        Err(KvError::Unavailable("not in this bench".into()))
    }

    async fn delete(&self, _: &KvSpace, _: &str) -> Result<(), KvError> {
        Err(KvError::Unavailable("not in this bench".into()))
    }

    async fn list(&self, _: &KvSpace, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, KvError> {
        Ok(vec![])
    }
}

/// Asks the plugins as the gateway does, then stores with one transaction, or not at all.
#[derive(Debug)]
pub(crate) struct Other {
    client: ClientId,
    plugins: PluginHost,
    pool: Option<SqlitePool>,
}

const NOT_HERE: &str = "not in this bench";

impl Other {
    pub(crate) fn new(client: ClientId, plugins: PluginHost, pool: Option<SqlitePool>) -> Self {
        Self { client, plugins, pool }
    }
}

/// The columns that the gateway writes, a statement a table.
async fn store(
    pool: &SqlitePool,
    id: &OutboxId,
    message_id: &MessageId,
    call: &SendCall,
    message: &OutboundMessage,
    verdicts: &Value,
) -> Result<(), sqlx::Error> {
    let now = Timestamp::now().0;
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let sql = "INSERT INTO outbox (id, client, message_id, recipient, state, created_at, updated_at, message) VALUES (?, ?, ?, ?, 'queued', ?, ?, ?)";
    let row = sqlx::query(sql)
        .bind(&id.0)
        .bind(call.client.as_str())
        .bind(&message_id.0)
        .bind(call.to.to_string())
        .bind(now)
        .bind(now)
        .bind(json!(message).to_string())
        .execute(&mut *transaction)
        .await?
        .last_insert_rowid();
    for (step, kind, detail) in [(1, "accepted", json!({}).to_string()), (2, "verdict", verdicts.to_string())] {
        let sql = "INSERT INTO message_history (message, step, at, kind, detail) VALUES (?, ?, ?, ?, ?)";
        sqlx::query(sql).bind(row).bind(step).bind(now).bind(kind).bind(detail).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

#[async_trait]
impl Core for Other {
    fn default_client(&self) -> &ClientId {
        &self.client
    }

    fn region(&self) -> Option<Region> {
        None
    }

    async fn repeated(&self, _: &Idempotency, _: Until) -> Result<Option<SendReply>, SendFailure> {
        Ok(None)
    }

    async fn repeated_bulk(&self, _: &Idempotency) -> Result<Option<String>, SendFailure> {
        Ok(None)
    }

    async fn send(&self, call: SendCall) -> Result<SendReply, SendFailure> {
        let id = OutboxId(format!("out_{:032x}", rand::random::<u128>()));
        let message_id = MessageId::from_random(rand::random());
        let subject = Subject { session: call.client.clone(), id: id.0.clone(), traceparent: String::new(), attempt: 1 };
        let Requested::Content(content) = &call.content else { return Err(SendFailure::UnknownClient(call.client)) };
        let to = Address::of(&call.to);
        let message = OutboundMessage { to, content: content.clone(), reply_to: None, send_at: None, metadata: vec![] };
        let (message, verdicts) = match self.plugins.validate(&subject, message).await {
            Decision::Allow(message, verdicts) => (message, verdicts),
            Decision::Reject(rejection, _) => return Err(AcceptError::Rejected(rejection).into()),
            Decision::Busy(busy, _) => return Err(AcceptError::Busy(busy).into()),
        };
        if let Some(pool) = &self.pool {
            let stored = store(pool, &id, &message_id, &call, &message, &json!(verdicts)).await;
            stored.map_err(|error| AcceptError::Store(StoreError::Database(error.to_string())))?;
        }
        Ok(SendReply::Accepted(Accepted { id, message_id, state: RowState::Queued, known: false }))
    }

    fn session(&self, _: &ClientId) -> Option<Snapshot> {
        None
    }

    async fn session_info(&self, _: &ClientId) -> Result<Value, SessionFailure> {
        Err(SessionFailure::Failed(NOT_HERE.into()))
    }

    async fn message(&self, _: &OutboxId) -> Result<Option<(OutboxRow, Vec<HistoryRow>)>, StoreError> {
        Ok(None)
    }

    async fn messages(&self, _: &Filter) -> Result<Listed, StoreError> {
        Ok(Listed { rows: vec![], unreadable: vec![], next: None })
    }

    async fn search_messages(&self, _: &str, _: &str) -> Result<Vec<OutboxRow>, StoreError> {
        Ok(vec![])
    }

    async fn cancel_message(&self, _: &OutboxId) -> Result<OutboxRow, ChangeError> {
        Err(ChangeError::Missing)
    }

    async fn retry_message(&self, _: &OutboxId) -> Result<OutboxRow, ChangeError> {
        Err(ChangeError::Missing)
    }

    async fn deliveries(&self, _: &DeliveryFilter, _: Option<&str>, _: u32) -> Result<(Vec<Letter>, Option<String>), StoreError> {
        Ok((vec![], None))
    }

    async fn delivery(&self, _: &str) -> Result<Option<Letter>, StoreError> {
        Ok(None)
    }

    async fn receivers(&self) -> Result<Vec<ReceiverReport>, StoreError> {
        Ok(vec![])
    }

    async fn retry_delivery(&self, _: &str) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn retry_deliveries(&self, _: &DeliveryFilter) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn purge_delivery(&self, _: &str) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn purge_deliveries(&self, _: &DeliveryFilter) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn create_bulk(&self, request: BulkRequest) -> Result<String, SendFailure> {
        Err(SendFailure::UnknownClient(request.client))
    }

    async fn bulk(&self, _: &str) -> Result<Option<BulkReport>, StoreError> {
        Ok(None)
    }

    async fn bulk_recipients(&self, _: &BulkReport, _: Option<&str>, _: i64, _: u32) -> Result<Vec<BulkRecipient>, StoreError> {
        Ok(vec![])
    }

    async fn cancel_bulk(&self, _: &BulkReport) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn sending(&self, client: &ClientId) -> Result<(Sending, Vec<Restriction>), SessionFailure> {
        Err(SessionFailure::Unknown(client.clone()))
    }

    async fn lift_restrictions(&self, client: &ClientId) -> Result<(), SessionFailure> {
        Err(SessionFailure::Unknown(client.clone()))
    }

    async fn pause_sending(&self, client: &ClientId, _: bool) -> Result<(), SessionFailure> {
        Err(SessionFailure::Unknown(client.clone()))
    }

    async fn held(&self, client: &ClientId) -> Result<Held, SessionFailure> {
        Err(SessionFailure::Unknown(client.clone()))
    }

    async fn change_held(&self, client: &ClientId, _: HeldAction) -> Result<Held, SessionFailure> {
        Err(SessionFailure::Unknown(client.clone()))
    }

    async fn purge_messages(&self, _: &ClientId) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn sessions(&self) -> Vec<(ClientId, Snapshot)> {
        vec![]
    }

    async fn create_session(&self, _: ClientId, _: bool, _: Vec<(String, String)>) -> Result<(), SessionFailure> {
        Err(SessionFailure::Failed(NOT_HERE.into()))
    }

    async fn control_session(&self, _: &ClientId, _: SessionAction) -> Result<(), SessionFailure> {
        Err(SessionFailure::Failed(NOT_HERE.into()))
    }

    async fn delete_session(&self, _: &ClientId, _: ProfileFate) -> Result<Cleanup, SessionFailure> {
        Err(SessionFailure::Failed(NOT_HERE.into()))
    }

    async fn reconnect(&self, _: &ClientId) -> Result<(), SessionFailure> {
        Err(SessionFailure::Failed(NOT_HERE.into()))
    }

    async fn pairing_code(&self, client: &ClientId, _: &PhoneNumber) -> Result<PairingView, LinkFailure> {
        Err(LinkFailure::Unknown(client.clone()))
    }

    fn helper(&self) -> &HelperAddress {
        static HELPER: HelperAddress = HelperAddress { base: String::new(), local_only: true };
        &HELPER
    }

    async fn answer_passkey(&self, client: &ClientId, _: &[u8]) -> Result<PasskeyView, PasskeyFailure> {
        Err(PasskeyFailure::Unknown(client.clone()))
    }

    async fn confirm_passkey(&self, client: &ClientId, _: &str) -> Result<PasskeyView, PasskeyFailure> {
        Err(PasskeyFailure::Unknown(client.clone()))
    }

    async fn cancel_passkey(&self, client: &ClientId) -> Result<(), PasskeyFailure> {
        Err(PasskeyFailure::Unknown(client.clone()))
    }

    async fn cancel_pairing(&self, client: &ClientId) -> Result<(), LinkFailure> {
        Err(LinkFailure::Unknown(client.clone()))
    }

    async fn cleanup(&self, _: bool) -> Result<Cleanup, String> {
        Err(NOT_HERE.into())
    }

    fn metrics(&self) -> String {
        String::new()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

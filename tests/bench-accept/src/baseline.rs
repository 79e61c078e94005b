//! The implementation behind the API in the servers that the gateway is compared with.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::SqlitePool;
use wharf::{
    model::{Address, MessageId, OutboundMessage, Timestamp},
    outbox::{
        AcceptError, Accepted, Idempotency, OutboxId, Requested, RowState, SendRequest, StoreError,
        Until,
    },
    plugins::{Decision, KvError, KvSpace, KvStore, Pipeline, PluginHost, Subject},
    services::{SendFailure, SendReply, Sends},
};

/// The plugins' key-value storage without a database.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<HashMap<String, (Vec<u8>, u64)>>);

#[async_trait]
impl KvStore for Memory {
    async fn get(&self, _: &KvSpace, key: &str) -> Result<Option<(Vec<u8>, u64)>, KvError> {
        Ok(self
            .0
            .lock()
            .map_err(|error| KvError::Unavailable(error.to_string()))?
            .get(key)
            .cloned())
    }

    async fn set(
        &self,
        _: &KvSpace,
        _: &str,
        _: Option<Option<u64>>,
        _: &[u8],
        _: Option<Duration>,
    ) -> Result<bool, KvError> {
        Err(KvError::Unavailable("not in this bench".into()))
    }

    async fn delete(&self, _: &KvSpace, _: &str) -> Result<(), KvError> {
        Err(KvError::Unavailable("not in this bench".into()))
    }

    async fn list(
        &self,
        _: &KvSpace,
        _: &str,
        _: Option<&str>,
        _: u32,
    ) -> Result<Vec<String>, KvError> {
        Ok(vec![])
    }
}

/// Calls the plugins as the gateway does, then stores the message in one transaction, or not at
/// all.
#[derive(Debug)]
pub(crate) struct Baseline {
    plugins: PluginHost,
    pool: Option<SqlitePool>,
}

impl Baseline {
    pub(crate) fn new(plugins: PluginHost, pool: Option<SqlitePool>) -> Self {
        Self { plugins, pool }
    }
}

/// Writes the columns that the gateway writes, with one statement per row.
async fn store(
    pool: &SqlitePool,
    id: &OutboxId,
    message_id: &MessageId,
    call: &SendRequest,
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
    for (step, kind, detail) in [
        (1, "accepted", json!({}).to_string()),
        (2, "verdict", verdicts.to_string()),
    ] {
        let sql =
            "INSERT INTO message_history (message, step, at, kind, detail) VALUES (?, ?, ?, ?, ?)";
        sqlx::query(sql)
            .bind(row)
            .bind(step)
            .bind(now)
            .bind(kind)
            .bind(detail)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

#[async_trait]
impl Sends for Baseline {
    async fn repeated(&self, _: &Idempotency, _: Until) -> Result<Option<SendReply>, SendFailure> {
        Ok(None)
    }

    async fn send(&self, call: SendRequest, _: Until) -> Result<SendReply, SendFailure> {
        let id = OutboxId(format!("out_{:032x}", rand::random::<u128>()));
        let message_id = MessageId::from_random(rand::random());
        let subject = Subject {
            session: call.client.clone(),
            id: id.0.clone(),
            attempt: 1,
        };
        let Requested::Content(content) = &call.content else {
            return Err(SendFailure::UnknownClient(call.client));
        };
        let to = Address::of(&call.to);
        let message = OutboundMessage {
            to,
            content: content.clone(),
            reply_to: None,
            send_at: None,
            metadata: vec![],
        };
        let (message, verdicts) = match self.plugins.validate(&subject, message).await {
            Decision::Allow(message, verdicts) => (message, verdicts),
            Decision::Reject(rejection, _) => return Err(AcceptError::Rejected(rejection).into()),
            Decision::Busy(busy, _) => return Err(AcceptError::Busy(busy).into()),
        };
        if let Some(pool) = &self.pool {
            let stored = store(pool, &id, &message_id, &call, &message, &json!(verdicts)).await;
            stored.map_err(|error| AcceptError::Store(StoreError::Database(error.to_string())))?;
        }
        Ok(SendReply::Accepted(Accepted {
            id,
            message_id,
            state: RowState::Queued,
            known: false,
        }))
    }
}

//! Bulk orders: one message to many recipients, and the state of each recipient.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{registry::Registry, sends::SendFailure, view::Restricted};
use crate::outbox::{BulkRecipient, BulkReport, BulkRequest, Idempotency, Outbox, StoreError};

/// Bulk orders, as API callers see them.
#[async_trait]
pub trait BulkOrders: Send + Sync + Debug + 'static {
    /// The id of the order that was accepted under this key before; none when the key is new.
    async fn repeated(&self, key: &Idempotency) -> Result<Option<String>, SendFailure>;

    /// Accepts an order and returns its id.
    async fn create(&self, request: BulkRequest) -> Result<String, SendFailure>;

    /// The progress of an order; none when the id is unknown.
    async fn get(&self, id: &str) -> Result<Option<BulkReport>, StoreError>;

    /// The states of at most `limit` recipients of an order, from the index `from` on, optionally
    /// only those in `state`.
    async fn recipients(
        &self,
        order: &BulkReport,
        state: Option<&str>,
        from: i64,
        limit: u32,
    ) -> Result<Vec<BulkRecipient>, StoreError>;

    /// Cancels the recipients of an order whose messages are not being sent yet, and returns their
    /// number.
    async fn cancel(&self, order: &BulkReport) -> Result<u64, StoreError>;
}

/// The bulk orders of the outbox.
#[derive(Debug)]
pub struct OutboxBulkOrders {
    registry: Arc<Registry>,
    outbox: Outbox,
}

impl OutboxBulkOrders {
    /// Bulk orders of the sessions in `registry`.
    #[must_use]
    pub fn new(registry: Arc<Registry>, outbox: Outbox) -> Self {
        Self { registry, outbox }
    }
}

#[async_trait]
impl BulkOrders for OutboxBulkOrders {
    async fn repeated(&self, key: &Idempotency) -> Result<Option<String>, SendFailure> {
        Ok(self.outbox.repeated_bulk(key).await?)
    }

    async fn create(&self, request: BulkRequest) -> Result<String, SendFailure> {
        self.registry
            .get(&request.client)
            .ok_or_else(|| SendFailure::UnknownClient(request.client.clone()))?;
        Ok(self.outbox.bulk(request).await?)
    }

    async fn get(&self, id: &str) -> Result<Option<BulkReport>, StoreError> {
        self.outbox.bulk_report(id).await
    }

    async fn recipients(
        &self,
        order: &BulkReport,
        state: Option<&str>,
        from: i64,
        limit: u32,
    ) -> Result<Vec<BulkRecipient>, StoreError> {
        self.outbox.bulk_recipients(order, state, from, limit).await
    }

    async fn cancel(&self, order: &BulkReport) -> Result<u64, StoreError> {
        self.outbox.cancel_bulk(order).await
    }
}

#[async_trait]
impl BulkOrders for Restricted<dyn BulkOrders> {
    /// Idempotency keys are separate for each API key, so no key finds another one's orders.
    async fn repeated(&self, key: &Idempotency) -> Result<Option<String>, SendFailure> {
        self.whole.repeated(key).await
    }

    async fn create(&self, request: BulkRequest) -> Result<String, SendFailure> {
        if !self.view.sees(&request.client) {
            return Err(SendFailure::UnknownClient(request.client));
        }
        self.whole.create(request).await
    }

    async fn get(&self, id: &str) -> Result<Option<BulkReport>, StoreError> {
        Ok(self
            .whole
            .get(id)
            .await?
            .filter(|order| self.view.sees(&order.client)))
    }

    async fn recipients(
        &self,
        order: &BulkReport,
        state: Option<&str>,
        from: i64,
        limit: u32,
    ) -> Result<Vec<BulkRecipient>, StoreError> {
        if self.view.sees(&order.client) {
            self.whole.recipients(order, state, from, limit).await
        } else {
            Ok(vec![])
        }
    }

    async fn cancel(&self, order: &BulkReport) -> Result<u64, StoreError> {
        if self.view.sees(&order.client) {
            self.whole.cancel(order).await
        } else {
            Ok(0)
        }
    }
}

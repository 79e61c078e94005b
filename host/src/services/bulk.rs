//! One message to many, and a report of what became of each.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{registry::Registry, sends::SendFailure, view::Restricted};
use crate::outbox::{BulkRecipient, BulkReport, BulkRequest, Idempotency, Outbox, StoreError};

/// Bulk orders, as callers see them.
#[async_trait]
pub trait BulkOrders: Send + Sync + Debug + 'static {
    /// The order that was taken in under that key before; none: the key is new.
    async fn repeated(&self, key: &Idempotency) -> Result<Option<String>, SendFailure>;

    /// Takes an order in; its name.
    async fn create(&self, request: BulkRequest) -> Result<String, SendFailure>;

    /// How far an order has come; none: there is none of that name.
    async fn get(&self, id: &str) -> Result<Option<BulkReport>, StoreError>;

    /// What became of the recipients of an order, from a place on.
    async fn recipients(
        &self,
        order: &BulkReport,
        state: Option<&str>,
        from: i64,
        limit: u32,
    ) -> Result<Vec<BulkRecipient>, StoreError>;

    /// Takes back what has not begun of an order; how many recipients that were.
    async fn cancel(&self, order: &BulkReport) -> Result<u64, StoreError>;
}

/// The orders of the outbox.
#[derive(Debug)]
pub struct OutboxBulkOrders {
    registry: Arc<Registry>,
    outbox: Outbox,
}

impl OutboxBulkOrders {
    /// By the sessions of `registry`.
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
    /// A key's scope is the API key itself, so nobody finds what another one ordered.
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

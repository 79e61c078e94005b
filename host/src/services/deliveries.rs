//! Deliveries of events: lists, shows, retries and deletes them.

use std::fmt::Debug;

use async_trait::async_trait;

use super::view::Restricted;
use crate::{
    events::{DeliveryFilter, DeliveryWithEvent, Events, ReceiverReport},
    outbox::StoreError,
};

/// Deliveries, as API callers see them.
#[async_trait]
pub trait Deliveries: Send + Sync + Debug + 'static {
    /// One page of deliveries, newest first, and the cursor of the next page.
    async fn list(
        &self,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<DeliveryWithEvent>, Option<String>), StoreError>;

    /// One delivery; none when the id is unknown.
    async fn get(&self, id: &str) -> Result<Option<DeliveryWithEvent>, StoreError>;

    /// The receivers with pending deliveries or dead letters, and those that fail.
    async fn receivers(&self) -> Result<Vec<ReceiverReport>, StoreError>;

    /// Makes a dead letter or a pending delivery due now. False if it is neither.
    async fn retry(&self, id: &str) -> Result<bool, StoreError>;

    /// Makes all selected deliveries due now, and returns their number.
    async fn retry_all(&self, filter: &DeliveryFilter) -> Result<u64, StoreError>;

    /// Deletes a dead letter or a pending delivery. False if it is neither.
    async fn purge(&self, id: &str) -> Result<bool, StoreError>;

    /// Deletes all selected deliveries, and returns their number.
    async fn purge_all(&self, filter: &DeliveryFilter) -> Result<u64, StoreError>;
}

/// The deliveries of the event log.
#[derive(Debug)]
pub struct EventDeliveries(pub Events);

#[async_trait]
impl Deliveries for EventDeliveries {
    async fn list(
        &self,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<DeliveryWithEvent>, Option<String>), StoreError> {
        self.0.deliveries(filter, before, limit).await
    }

    async fn get(&self, id: &str) -> Result<Option<DeliveryWithEvent>, StoreError> {
        self.0.delivery(id).await
    }

    async fn receivers(&self) -> Result<Vec<ReceiverReport>, StoreError> {
        self.0.receivers().await
    }

    async fn retry(&self, id: &str) -> Result<bool, StoreError> {
        self.0.retry_delivery(id).await
    }

    async fn retry_all(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        self.0.retry_deliveries(filter).await
    }

    async fn purge(&self, id: &str) -> Result<bool, StoreError> {
        self.0.purge_delivery(id).await
    }

    async fn purge_all(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        self.0.purge_deliveries(filter).await
    }
}

impl Restricted<dyn Deliveries> {
    /// Whether the key may see a delivery. One whose event is no longer in the log belongs to no
    /// session that a restricted key could see.
    fn owns(&self, delivery: &DeliveryWithEvent) -> bool {
        self.view.sees_all()
            || delivery
                .event
                .as_ref()
                .is_some_and(|event| self.view.sees(&event.session))
    }
}

#[async_trait]
impl Deliveries for Restricted<dyn Deliveries> {
    async fn list(
        &self,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<DeliveryWithEvent>, Option<String>), StoreError> {
        let (mut deliveries, next) = self.whole.list(filter, before, limit).await?;
        deliveries.retain(|delivery| self.owns(delivery));
        Ok((deliveries, next))
    }

    async fn get(&self, id: &str) -> Result<Option<DeliveryWithEvent>, StoreError> {
        Ok(self
            .whole
            .get(id)
            .await?
            .filter(|delivery| self.owns(delivery)))
    }

    async fn receivers(&self) -> Result<Vec<ReceiverReport>, StoreError> {
        if self.view.sees_all() {
            self.whole.receivers().await
        } else {
            Ok(vec![])
        }
    }

    async fn retry(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.get(id).await?.is_some() && self.whole.retry(id).await?)
    }

    async fn retry_all(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        if self.view.sees_all() {
            self.whole.retry_all(filter).await
        } else {
            Ok(0)
        }
    }

    async fn purge(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.get(id).await?.is_some() && self.whole.purge(id).await?)
    }

    async fn purge_all(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        if self.view.sees_all() {
            self.whole.purge_all(filter).await
        } else {
            Ok(0)
        }
    }
}

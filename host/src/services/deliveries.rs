//! Deliveries of events: found, looked at, delivered again, thrown away.

use std::fmt::Debug;

use async_trait::async_trait;

use super::view::Restricted;
use crate::{
    events::{DeliveryFilter, Events, Letter, ReceiverReport},
    outbox::StoreError,
};

/// Deliveries, as callers see them.
#[async_trait]
pub trait Deliveries: Send + Sync + Debug + 'static {
    /// One page of deliveries, newest first, and where the next one begins.
    async fn list(
        &self,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Letter>, Option<String>), StoreError>;

    /// One delivery; none: there is none of that id.
    async fn get(&self, id: &str) -> Result<Option<Letter>, StoreError>;

    /// The receivers for which something waits or is dead, and those that fail.
    async fn receivers(&self) -> Result<Vec<ReceiverReport>, StoreError>;

    /// Makes a dead letter, or a delivery that waits, due now. False: it is neither.
    async fn retry(&self, id: &str) -> Result<bool, StoreError>;

    /// The same with all that is meant; how many.
    async fn retry_all(&self, filter: &DeliveryFilter) -> Result<u64, StoreError>;

    /// Deletes a dead letter, or a delivery that waits. False: it is neither.
    async fn purge(&self, id: &str) -> Result<bool, StoreError>;

    /// The same with all that is meant; how many.
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
    ) -> Result<(Vec<Letter>, Option<String>), StoreError> {
        self.0.deliveries(filter, before, limit).await
    }

    async fn get(&self, id: &str) -> Result<Option<Letter>, StoreError> {
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
    /// A delivery whose event is gone is nobody's.
    fn owns(&self, letter: &Letter) -> bool {
        self.view.sees_all()
            || letter
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
    ) -> Result<(Vec<Letter>, Option<String>), StoreError> {
        let (mut letters, next) = self.whole.list(filter, before, limit).await?;
        letters.retain(|letter| self.owns(letter));
        Ok((letters, next))
    }

    async fn get(&self, id: &str) -> Result<Option<Letter>, StoreError> {
        Ok(self.whole.get(id).await?.filter(|letter| self.owns(letter)))
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

//! Operations on deliveries for people: list, show, retry and purge.

use super::{Events, Failing, receivers::ReceiverId};
use crate::{
    model::Envelope,
    store::{Delivery, DeliveryCount, DeliveryFilter, DeliveryPage, StoreError},
};

/// A delivery with its event.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryWithEvent {
    /// The delivery.
    pub delivery: Delivery,
    /// Its event, without credentials; `None` if it is not in the log any more or cannot be read.
    pub event: Option<Envelope>,
}

/// A receiver with its deliveries and its failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverReport {
    /// The receiver and the number of its deliveries.
    pub count: DeliveryCount,
    /// How it fails; `None` if it does not.
    pub failing: Option<Failing>,
}

impl Events {
    /// A page of at most `limit` deliveries that are older than the delivery `before`, newest
    /// first. Also returns `before` of the next page, or `None` if this is the last one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<DeliveryWithEvent>, Option<String>), StoreError> {
        let DeliveryPage { rows, next } =
            self.shared.store.deliveries(filter, before, limit).await?;
        Ok((self.with_events(rows).await?, next))
    }

    /// The delivery with an id, or `None` if there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn delivery(&self, id: &str) -> Result<Option<DeliveryWithEvent>, StoreError> {
        let found = self.shared.store.delivery(id).await?;
        Ok(self.with_events(found.into_iter().collect()).await?.pop())
    }

    /// All receivers that have pending deliveries or dead letters, or that fail.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn receivers(&self) -> Result<Vec<ReceiverReport>, StoreError> {
        let mut failing = self.shared.receivers().failing();
        let counts = self.shared.store.delivery_counts().await?;
        let mut all: Vec<_> = counts
            .into_iter()
            .map(|count| {
                let failing = failing.remove(&ReceiverId {
                    plugin: count.plugin.clone(),
                    target: count.target.clone(),
                });
                ReceiverReport { count, failing }
            })
            .collect();
        all.extend(
            failing
                .into_iter()
                .map(|(ReceiverId { plugin, target }, failing)| {
                    let count = DeliveryCount {
                        plugin,
                        target,
                        pending: 0,
                        dead: 0,
                    };
                    ReceiverReport {
                        count,
                        failing: Some(failing),
                    }
                }),
        );
        Ok(all)
    }

    /// Makes a dead letter or a pending delivery due now, and resets its number of attempts.
    /// Returns `false` if there is no such delivery or it is neither.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn retry_delivery(&self, id: &str) -> Result<bool, StoreError> {
        let done = self.shared.store.retry_delivery(id).await?;
        self.shared.due.notify_one();
        Ok(done)
    }

    /// As [`Events::retry_delivery`], for all dead letters (or pending deliveries, if `filter` says
    /// so) that match. Returns their number.
    ///
    /// # Errors
    /// When the database cannot be written; what was changed until then stays changed.
    pub async fn retry_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        let done = self.shared.store.retry_deliveries(filter).await;
        self.shared.due.notify_one();
        done
    }

    /// Deletes a dead letter or a pending delivery. Returns `false` if there is no such delivery or
    /// it is neither.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn purge_delivery(&self, id: &str) -> Result<bool, StoreError> {
        self.shared.store.purge_delivery(id).await
    }

    /// Deletes all dead letters (or pending deliveries, if `filter` says so) that match. Returns
    /// their number.
    ///
    /// # Errors
    /// When the database cannot be written; what was deleted until then stays deleted.
    pub async fn purge_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        self.shared.store.purge_deliveries(filter).await
    }

    async fn with_events(&self, rows: Vec<Delivery>) -> Result<Vec<DeliveryWithEvent>, StoreError> {
        let seqs: Vec<i64> = rows.iter().map(|row| row.event_seq).collect();
        let events = self.shared.store.envelopes(&seqs).await?;
        let with_event = |delivery: Delivery| {
            let event = events
                .get(&delivery.event_seq)
                .and_then(|event| event.as_ref().ok())
                .cloned();
            DeliveryWithEvent { delivery, event }
        };
        Ok(rows.into_iter().map(with_event).collect())
    }
}

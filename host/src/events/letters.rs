//! Deliveries as people see them: found, looked at, delivered again, thrown away.

use super::{Events, Failing, receivers::ReceiverId};
use crate::{
    model::Envelope,
    store::{Delivery, DeliveryCount, DeliveryFilter, DeliveryPage, StoreError},
};

/// A delivery with the event that it tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The delivery.
    pub delivery: Delivery,
    /// Its event, without what is a credential; none: it is not in the log any more, or cannot be
    /// read.
    pub event: Option<Envelope>,
}

/// A receiver with what waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverReport {
    /// The receiver and its deliveries.
    pub count: DeliveryCount,
    /// How it fails; none: it does not.
    pub failing: Option<Failing>,
}

impl Events {
    /// A page of deliveries, newest first, from `before` on; where the next page begins.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Letter>, Option<String>), StoreError> {
        let DeliveryPage { rows, next } =
            self.shared.store.deliveries(filter, before, limit).await?;
        Ok((self.letters(rows).await?, next))
    }

    /// One delivery; none: there is none of that name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn delivery(&self, id: &str) -> Result<Option<Letter>, StoreError> {
        let found = self.shared.store.delivery(id).await?;
        Ok(self.letters(found.into_iter().collect()).await?.pop())
    }

    /// Every receiver that has something waiting or dead, or that fails.
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

    /// Makes a dead letter, or a delivery that waits, due now, with all its attempts before it.
    /// False: it is neither.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn retry_delivery(&self, id: &str) -> Result<bool, StoreError> {
        let done = self.shared.store.retry_delivery(id).await?;
        self.shared.due.notify_one();
        Ok(done)
    }

    /// As [`Events::retry_delivery`], all dead letters (or, when `filter` says so, all that waits).
    /// How many.
    ///
    /// # Errors
    /// When the database refuses; what was taken up until then is.
    pub async fn retry_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        let done = self.shared.store.retry_deliveries(filter).await;
        self.shared.due.notify_one();
        done
    }

    /// Deletes a dead letter, or a delivery that waits. False: it is neither.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn purge_delivery(&self, id: &str) -> Result<bool, StoreError> {
        self.shared.store.purge_delivery(id).await
    }

    /// Deletes all dead letters (or, when `filter` says so, all that waits). How many.
    ///
    /// # Errors
    /// When the database refuses; what was deleted until then is.
    pub async fn purge_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        self.shared.store.purge_deliveries(filter).await
    }

    async fn letters(&self, rows: Vec<Delivery>) -> Result<Vec<Letter>, StoreError> {
        let seqs: Vec<i64> = rows.iter().map(|row| row.event_seq).collect();
        let events = self.shared.store.envelopes(&seqs).await?;
        let letter = |delivery: Delivery| {
            let event = events
                .get(&delivery.event_seq)
                .and_then(|event| event.as_ref().ok())
                .cloned();
            Letter { delivery, event }
        };
        Ok(rows.into_iter().map(letter).collect())
    }
}

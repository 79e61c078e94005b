//! Retention: deletes message contents first and the records of messages later. The work is done in
//! small steps, so that no message waits for it.
//!
//! Readers find the rows to delete; the writer deletes them and checks them again, because a row
//! may have changed meanwhile.

mod bulk;
mod copies;
mod events;
mod outbox;
mod refusals;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Store, StoreError};
use crate::model::Timestamp;

/// Rows per step. Other writes run between two steps.
const STEP: u16 = 100;
/// Minimum and maximum pause between two steps.
const REST: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));
/// The pause is this many times as long as the previous step took. That includes the wait for the
/// writer, so a busy writer gets fewer steps.
const REST_FACTOR: u32 = 4;

/// Separates the steps of a pass through the database, so that others can write between them.
/// Remembers whether there were any steps.
pub(super) struct Throttle {
    begun: Instant,
    went: bool,
}

impl Throttle {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            went: false,
        }
    }

    /// Pauses after a step, so that others can write.
    pub(super) async fn rest(&mut self) {
        self.went = true;
        sleep((self.begun.elapsed() * REST_FACTOR).clamp(REST.0, REST.1)).await;
        self.begun = Instant::now();
    }

    /// Whether there was any step.
    pub(super) fn went(&self) -> bool {
        self.went
    }
}

/// Sequence numbers as a JSON array, the form in which a statement takes several values.
fn list(seqs: &[i64]) -> Result<String, StoreError> {
    Ok(serde_json::to_string(seqs)?)
}

impl Store {
    /// Deletes the contents of messages that ended before `oldest` or were refused before then, of
    /// bulk orders from before then
    /// that have no pending recipients, and of events from before then that have no pending
    /// deliveries. Returns whether anything was deleted.
    ///
    /// # Errors
    /// When the database cannot be written; what was deleted until then stays deleted.
    pub async fn redact(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        let mut throttle = Throttle::begin();
        while self.redact_sends(oldest).await? {
            throttle.rest().await;
        }
        self.redact_refusals(oldest, &mut throttle).await?;
        self.redact_orders(oldest, &mut throttle).await?;
        self.redact_events(oldest, &mut throttle).await?;
        Ok(throttle.went())
    }
}

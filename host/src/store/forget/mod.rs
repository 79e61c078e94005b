//! Forgetting: first what messages say, later what is known of them. Always in small steps, so that
//! no send waits for it.
//!
//! What is to go is looked for by readers, and goes by the writer, who checks it again: a row may
//! have changed meanwhile.

mod bulk;
mod copies;
mod events;
mod outbox;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Store, StoreError};
use crate::model::Timestamp;

/// Rows of one step; between two steps others write.
const STEP: u16 = 100;
/// Between two steps at least, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));
/// How many times as long as the step before took. That includes its wait for the writer: who is
/// busy is asked less.
const REST_FACTOR: u32 = 4;

/// Keeps steps through the database apart, so that others can write between them.
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

    /// After a step that changed something: lets others write.
    pub(super) async fn rest(&mut self) {
        self.went = true;
        sleep((self.begun.elapsed() * REST_FACTOR).clamp(REST.0, REST.1)).await;
        self.begun = Instant::now();
    }

    /// Whether there was a step.
    pub(super) fn went(&self) -> bool {
        self.went
    }
}

/// Places in a table as a JSON array, which is how a statement takes many.
fn list(seqs: &[i64]) -> Result<String, StoreError> {
    Ok(serde_json::to_string(seqs)?)
}

impl Store {
    /// Deletes what messages say that ended, and events that happened, before `oldest`: texts of
    /// sends, of bulk orders whose recipients are all taken in, and of events that wait for no
    /// delivery. True: there was something.
    ///
    /// # Errors
    /// When the database refuses; what was deleted until then stays deleted.
    pub async fn redact(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        let mut throttle = Throttle::begin();
        while self.redact_sends(oldest).await? {
            throttle.rest().await;
        }
        self.redact_orders(oldest, &mut throttle).await?;
        self.redact_events(oldest, &mut throttle).await?;
        Ok(throttle.went())
    }
}

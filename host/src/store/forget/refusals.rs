//! Retention of decisions about refused messages, which have no row in the outbox, and of calls that
//! a candidate answered otherwise than its plugin. Decisions about accepted messages are deleted
//! with them, by triggers of the database.

use super::{STEP, Throttle};
use crate::{
    model::Timestamp,
    store::{Store, StoreError},
};

/// See [`Store::redact_refusals`].
pub(super) const REDACT: &str = "UPDATE refusal SET details = NULL WHERE id IN (SELECT id FROM refusal WHERE details IS NOT NULL AND at < ? ORDER BY at LIMIT ?)";
/// As [`REDACT`], for the differences of candidates.
pub(super) const REDACT_DIFFERENCES: &str = "UPDATE candidate_difference SET details = NULL WHERE id IN (SELECT id FROM candidate_difference WHERE details IS NOT NULL AND at < ? ORDER BY at LIMIT ?)";
/// As [`PRUNE`], for the differences of candidates.
pub(super) const PRUNE_DIFFERENCES: &str = "DELETE FROM candidate_difference WHERE id IN (SELECT id FROM candidate_difference WHERE at < ? ORDER BY at LIMIT ?)";
/// See [`Store::prune_refusals`].
pub(super) const PRUNE: &str =
    "DELETE FROM refusal WHERE id IN (SELECT id FROM refusal WHERE at < ? ORDER BY at LIMIT ?)";

impl Store {
    /// Deletes the details, which include the content of the message, of refusals and differences
    /// before `oldest`.
    pub(super) async fn redact_refusals(
        &self,
        oldest: Timestamp,
        throttle: &mut Throttle,
    ) -> Result<(), StoreError> {
        self.refusals(REDACT, oldest, throttle).await?;
        self.refusals(REDACT_DIFFERENCES, oldest, throttle).await
    }

    /// Deletes refusals and differences before `oldest`.
    pub(super) async fn prune_refusals(
        &self,
        oldest: Timestamp,
        throttle: &mut Throttle,
    ) -> Result<(), StoreError> {
        self.refusals(PRUNE, oldest, throttle).await?;
        self.refusals(PRUNE_DIFFERENCES, oldest, throttle).await
    }

    async fn refusals(
        &self,
        sql: &'static str,
        oldest: Timestamp,
        throttle: &mut Throttle,
    ) -> Result<(), StoreError> {
        loop {
            let step = sqlx::query(sql).bind(oldest.0).bind(STEP);
            if self.writer.statement_deferrable(step).await? == 0 {
                return Ok(());
            }
            throttle.rest().await;
        }
    }
}

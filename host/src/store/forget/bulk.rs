//! Retention of bulk orders: first their texts are deleted, later the orders.

use super::{STEP, Throttle};
use crate::{
    model::Timestamp,
    store::{Store, StoreError},
};

/// Finds an order for [`Store::redact_orders`].
pub(super) const WITH_TEXT: &str = "SELECT seq FROM bulk WHERE redacted = 0 AND created_at < ? AND NOT EXISTS (SELECT 1 FROM bulk_recipient r \
                                    WHERE r.bulk = bulk.seq AND r.outbox_id IS NULL AND r.code IS NULL) LIMIT 1";

impl Store {
    /// Deletes the texts and variables of orders from before `oldest` that have no pending
    /// recipients. The messages have copies of their own.
    pub(super) async fn redact_orders(
        &self,
        oldest: Timestamp,
        throttle: &mut Throttle,
    ) -> Result<(), StoreError> {
        while let Some(order) = sqlx::query_scalar(WITH_TEXT)
            .bind(oldest.0)
            .fetch_optional(&mut *self.readers.get().await?)
            .await?
        {
            let variables = "UPDATE bulk_recipient SET variables = '{}' WHERE bulk = ? AND place BETWEEN ? AND ? AND variables <> '{}'";
            self.each_recipient(variables, order, throttle).await?;
            let wanted = "UPDATE bulk SET redacted = 1, \
                          wanted = CASE WHEN json_valid(wanted) \
                          THEN json_replace(wanted, '$.text', NULL, '$.variables', json('{}'), '$.mentions', json('[]')) ELSE '{}' END WHERE seq = ?";
            self.with_order(wanted, order).await?;
            throttle.rest().await;
        }
        Ok(())
    }

    /// Deletes orders from before `oldest` whose messages are all deleted.
    pub(super) async fn prune_orders(
        &self,
        oldest: Timestamp,
        throttle: &mut Throttle,
    ) -> Result<(), StoreError> {
        let find = "SELECT seq FROM bulk WHERE created_at < ? AND NOT EXISTS (SELECT 1 FROM bulk_recipient r LEFT JOIN outbox o ON o.id = r.outbox_id \
                    WHERE r.bulk = bulk.seq AND (o.id IS NOT NULL OR (r.outbox_id IS NULL AND r.code IS NULL))) LIMIT 1";
        while let Some(order) = sqlx::query_scalar(find)
            .bind(oldest.0)
            .fetch_optional(&mut *self.readers.get().await?)
            .await?
        {
            self.each_recipient(
                "DELETE FROM bulk_recipient WHERE bulk = ? AND place BETWEEN ? AND ?",
                order,
                throttle,
            )
            .await?;
            self.with_order("DELETE FROM bulk WHERE seq = ?", order)
                .await?;
            throttle.rest().await;
        }
        Ok(())
    }

    /// Runs `sql` on the recipients of an order, a range of positions at a time.
    async fn each_recipient(
        &self,
        sql: &'static str,
        order: i64,
        throttle: &mut Throttle,
    ) -> Result<(), StoreError> {
        let last = sqlx::query_scalar("SELECT max(place) FROM bulk_recipient WHERE bulk = ?")
            .bind(order)
            .fetch_one(&mut *self.readers.get().await?)
            .await?;
        let (mut from, last): (i64, Option<i64>) = (0, last);
        while last.is_some_and(|last| from <= last) {
            self.writer
                .statement_deferrable(
                    sqlx::query(sql)
                        .bind(order)
                        .bind(from)
                        .bind(from + i64::from(STEP) - 1),
                )
                .await?;
            throttle.rest().await;
            from += i64::from(STEP);
        }
        Ok(())
    }

    async fn with_order(&self, sql: &'static str, order: i64) -> Result<(), StoreError> {
        self.writer
            .statement_deferrable(sqlx::query(sql).bind(order))
            .await
            .map(drop)
    }
}

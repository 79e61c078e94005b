//! Forgetting: in small steps, so that no send waits for it.

use crate::{
    model::Timestamp,
    store::{Store, StoreError},
};

/// Rows of one step; between two steps others write.
const STEP: i64 = 500;

impl Store {
    /// Forgets finished sends, with their history, and keys older than these.
    ///
    /// # Errors
    /// When the database refuses; what was forgotten until then stays forgotten.
    pub async fn prune_outbox(&self, rows: Timestamp, keys: Timestamp) -> Result<(), StoreError> {
        let prune_keys = "DELETE FROM idempotency WHERE (scope, key) IN (SELECT scope, key FROM idempotency WHERE created_at < ? LIMIT ?)";
        while self.prune(prune_keys, keys).await? {}
        // A key's answer must outlive it.
        while self.prune_rows(rows).await? {}
        Ok(())
    }

    async fn prune(&self, sql: &'static str, oldest: Timestamp) -> Result<bool, StoreError> {
        let work = self.writer.write(move |connection| {
            Box::pin(async move { Ok(sqlx::query(sql).bind(oldest.0).bind(STEP).execute(connection).await?.rows_affected()) })
        });
        Ok(work.await? > 0)
    }

    async fn prune_rows(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "SELECT seq FROM outbox WHERE state IN ('sent', 'not_sent') AND updated_at < ?
                               AND NOT EXISTS (SELECT 1 FROM idempotency WHERE outbox_id = outbox.id) LIMIT ?";
                    let found: Vec<i64> = sqlx::query_scalar(sql).bind(oldest.0).bind(STEP).fetch_all(&mut *connection).await?;
                    let list = serde_json::to_string(&found)?;
                    let history = "DELETE FROM message_history WHERE message IN (SELECT value FROM json_each(?))";
                    sqlx::query(history).bind(&list).execute(&mut *connection).await?;
                    sqlx::query("DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(?))").bind(list).execute(connection).await?;
                    Ok(!found.is_empty())
                })
            })
            .await
    }
}

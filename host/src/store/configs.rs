//! The configurations of validators, once each, so that a decision can be made again with the one
//! that it was made with.
//!
//! A configuration is kept as long as a plugin is loaded with it or a decision refers to it. Secrets
//! are not part of it: a configuration names them at most.

use async_trait::async_trait;
use sqlx::Row;

use super::{Store, StoreError, forget::Throttle};
use crate::{model::Timestamp, plugins::ConfigStore};

const KEEP: &str = "INSERT INTO plugin_config (digest, config, used) VALUES (?, ?, ?) \
                    ON CONFLICT (digest) DO UPDATE SET used = excluded.used";
const UNUSED: &str = "SELECT digest, used FROM plugin_config WHERE used < ?";
/// Whether a decision has a digest among its calls. The digest of a configuration occurs nowhere
/// else.
const REFERRED: &str = "SELECT EXISTS (SELECT 1 FROM decision WHERE at < ?1 AND instr(calls, ?2) > 0) \
                        OR EXISTS (SELECT 1 FROM refusal WHERE at < ?1 AND instr(calls, ?2) > 0)";
const DELETE: &str = "DELETE FROM plugin_config WHERE digest = ? AND used = ?";

/// A configuration is noted as used this often, so a decision may be as much younger.
const DAY: u64 = 86_400_000;

#[async_trait]
impl ConfigStore for Store {
    async fn keep_config(&self, digest: &str, config: &str) -> Result<(), String> {
        let insert = sqlx::query(KEEP)
            .bind(digest.to_owned())
            .bind(config.to_owned())
            .bind(Timestamp::now().0);
        let kept = self.writer.statement(insert).await;
        kept.map(drop).map_err(|error| error.to_string())
    }
}

impl Store {
    /// Deletes the configurations that no plugin has been loaded with since `oldest` and no decision
    /// refers to. Returns whether there were any.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn prune_configs(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        let mut reader = self.readers.get().await?;
        let unused = sqlx::query(UNUSED)
            .bind(oldest.0)
            .fetch_all(&mut *reader)
            .await?;
        let mut throttle = Throttle::begin();
        for row in &unused {
            let (digest, used): (String, i64) = (row.try_get("digest")?, row.try_get("used")?);
            let referred: bool = sqlx::query_scalar(REFERRED)
                .bind(Timestamp(used).plus_millis(2 * DAY).0)
                .bind(&digest)
                .fetch_one(&mut *reader)
                .await?;
            if referred {
                continue;
            }
            let delete = sqlx::query(DELETE).bind(digest).bind(used);
            self.writer.statement_deferrable(delete).await?;
            throttle.rest().await;
        }
        Ok(throttle.went())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::{
        model::{Address, Content, OutboundMessage},
        plugins::{CallFacts, CallRecord, RecordedContext, StorageTrace},
        store::{DecisionFile, OutboxId, Step, scratch},
    };

    fn verdict(config: &str) -> Step {
        let to = Address {
            chat: "1@c.us".into(),
            pn: None,
            lid: None,
        };
        let call = CallRecord {
            facts: CallFacts {
                plugin: "p".into(),
                component: "c".into(),
                config: config.into(),
                verdict: "reject".into(),
                monitored: false,
                code: None,
                retry_after_ms: None,
                micros: 1,
                context: RecordedContext {
                    call_id: "01J".into(),
                    traceparent: "00".into(),
                    now: 1,
                    attempt: 1,
                    budget_ms: 1,
                },
                secrets: vec![],
            },
            input: Arc::new(OutboundMessage {
                to,
                content: Content::text("x"),
                reply_to: None,
                send_at: None,
                metadata: vec![],
            }),
            changed: None,
            explanation: None,
            storage: StorageTrace::default(),
        };
        Step::verdict(json!({"when": "accept"}), Arc::new(call))
    }

    #[tokio::test]
    async fn a_configuration_is_kept_once_and_goes_when_no_decision_refers_to_it() {
        let (dir, store) = scratch().await;
        for (digest, config) in [
            ("d1", r#"{"a":1}"#),
            ("d2", r#"{"a":2}"#),
            ("d1", r#"{"a":1}"#),
        ] {
            store.keep_config(digest, config).await.expect("kept");
        }
        let client = "test".parse().expect("id");
        let id = OutboxId("out_1".into());
        store
            .refused(&id, &client, &[verdict("d2")])
            .await
            .expect("stored");
        let known = async || {
            let mut file = DecisionFile::open(&dir.path().join("wharf.db"))
                .await
                .expect("opened");
            let configs = file.configs().await.expect("read");
            file.close().await;
            configs
                .iter()
                .map(|(digest, config)| format!("{digest} {config}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        assert_eq!(known().await, r#"d1 {"a":1}, d2 {"a":2}"#);
        let future = Timestamp::now().plus_millis(1000);
        assert_eq!(store.prune_configs(Timestamp(1)).await, Ok(false));
        assert_eq!(store.prune_configs(future).await, Ok(true));
        assert_eq!(known().await, r#"d2 {"a":2}"#, "a decision refers to it");
        store.prune_outbox(future, future).await.expect("pruned");
        assert_eq!(store.prune_configs(future).await, Ok(true));
        assert_eq!(known().await, "");
    }
}

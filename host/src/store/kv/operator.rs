//! The plugins' storage as operators see it: namespaces, pages of keys, and single entries.
//!
//! An expired key may still have a row until a later write deletes it. Nothing here shows such a
//! key or counts its bytes.

use sqlx::{Row, sqlite::SqliteRow};

use super::{MAX_KEY, now};
use crate::{
    model::{ClientId, Timestamp},
    store::{Store, StoreError},
};

/// The bytes of keys and values in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvUsage {
    /// The session; none for the namespace that all sessions share.
    pub session: Option<ClientId>,
    /// The bytes, which count against the quota of the plugin.
    pub bytes: u64,
}

/// A key, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvKey {
    /// The key.
    pub key: String,
    /// The bytes of its value.
    pub bytes: u64,
    /// Its version.
    pub version: u64,
    /// When it expires; none if it does not.
    pub expires_at: Option<Timestamp>,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvValue {
    /// The key.
    pub key: KvKey,
    /// The value.
    pub value: Vec<u8>,
}

pub(super) const USAGE: &str = "SELECT session, bytes - coalesce((SELECT sum(length(CAST(kv.key AS BLOB)) + length(kv.value)) FROM kv \
                     WHERE kv.plugin = kv_space.plugin AND kv.session = kv_space.session AND kv.expires_at <= ?2), 0) AS bytes \
                     FROM kv_space WHERE plugin = ?1 ORDER BY session";
pub(super) const KEYS: &str = "SELECT key, length(value) AS bytes, version, expires_at FROM kv \
                    WHERE plugin = ?1 AND session = ?2 AND key > ?3 AND key >= ?4 AND key <= ?7 AND substr(CAST(key AS BLOB), 1, length(CAST(?4 AS BLOB))) = CAST(?4 AS BLOB) \
                    AND (expires_at IS NULL OR expires_at > ?5) ORDER BY key LIMIT ?6";
pub(super) const ENTRY: &str = "SELECT key, value, length(value) AS bytes, version, expires_at FROM kv \
                     WHERE plugin = ?1 AND session = ?2 AND key = ?3 AND (expires_at IS NULL OR expires_at > ?4)";

impl Store {
    /// The namespaces of a plugin that have keys, the shared one first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn kv_usage(&self, plugin: &str) -> Result<Vec<KvUsage>, StoreError> {
        let rows = sqlx::query(USAGE)
            .bind(plugin)
            .bind(now())
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let mut namespaces = Vec::new();
        for row in rows {
            let session: String = row.try_get("session")?;
            let usage = KvUsage {
                session: namespace(&session)?,
                bytes: number(&row, "bytes")?,
            };
            if usage.bytes > 0 {
                namespaces.push(usage);
            }
        }
        Ok(namespaces)
    }

    /// At most `limit` keys after `after` that begin with `prefix`, in byte order.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn kv_keys(
        &self,
        plugin: &str,
        session: Option<&ClientId>,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KvKey>, StoreError> {
        // As in `list`: every key with this prefix sorts before the prefix followed by the highest
        // characters.
        let last = format!("{prefix}{}", "\u{10FFFF}".repeat(MAX_KEY / 4));
        let rows = sqlx::query(KEYS)
            .bind(plugin)
            .bind(session.map(ToString::to_string).unwrap_or_default())
            .bind(after.unwrap_or(""))
            .bind(prefix)
            .bind(now())
            .bind(limit)
            .bind(last)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        rows.iter().map(key).collect()
    }

    /// A key with its value; none if it does not exist or has expired.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn kv_entry(
        &self,
        plugin: &str,
        session: Option<&ClientId>,
        name: &str,
    ) -> Result<Option<KvValue>, StoreError> {
        let row = sqlx::query(ENTRY)
            .bind(plugin)
            .bind(session.map(ToString::to_string).unwrap_or_default())
            .bind(name)
            .bind(now())
            .fetch_optional(&mut *self.readers.get().await?)
            .await?;
        row.map(|row| {
            Ok(KvValue {
                key: key(&row)?,
                value: row.try_get("value")?,
            })
        })
        .transpose()
    }
}

fn namespace(session: &str) -> Result<Option<ClientId>, StoreError> {
    if session.is_empty() {
        return Ok(None);
    }
    let unreadable = |_| StoreError::Corrupt("session of a plugin's storage".into());
    session.parse().map(Some).map_err(unreadable)
}

fn key(row: &SqliteRow) -> Result<KvKey, StoreError> {
    let expires_at: Option<i64> = row.try_get("expires_at")?;
    Ok(KvKey {
        key: row.try_get("key")?,
        bytes: number(row, "bytes")?,
        version: number(row, "version")?,
        expires_at: expires_at.map(Timestamp),
    })
}

fn number(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        plugins::{KvSpace, KvStore},
        store::scratch,
    };

    fn space(session: Option<&str>) -> KvSpace {
        KvSpace {
            plugin: "p".into(),
            session: session.map(|session| session.parse().expect("id")),
            quota: 1 << 20,
        }
    }

    #[tokio::test]
    async fn pages_of_keys_neither_lose_nor_repeat_a_key() {
        let (_dir, store) = scratch().await;
        let mine = space(None);
        // Keys that a text comparison by characters or by case would order differently.
        let mut wanted: Vec<String> = (0..23).map(|n| format!("a/{n}")).collect();
        wanted.extend(["a", "a/", "A/1", "b", "ä", "\u{10FFFF}", "a/\u{FFFF}"].map(str::to_owned));
        for key in &wanted {
            store.set(&mine, key, None, b"v", None).await.expect("set");
        }
        wanted.sort();
        for limit in [1, 2, 7, 23, 100] {
            for prefix in ["", "a/"] {
                let (mut seen, mut after) = (Vec::new(), None::<String>);
                loop {
                    let page = store
                        .kv_keys("p", None, prefix, after.as_deref(), limit)
                        .await
                        .expect("read");
                    let Some(last) = page.last() else { break };
                    after = Some(last.key.clone());
                    seen.extend(page.into_iter().map(|key| key.key));
                }
                let wanted: Vec<&String> = wanted
                    .iter()
                    .filter(|key| key.starts_with(prefix))
                    .collect();
                assert_eq!(seen.iter().collect::<Vec<_>>(), wanted, "{limit} {prefix}");
            }
        }
    }

    #[tokio::test]
    async fn an_expired_key_is_neither_seen_nor_counted() {
        let (_dir, store) = scratch().await;
        let (mine, other) = (space(None), space(Some("shop")));
        for space in [&mine, &other] {
            store
                .set(space, "gone", None, b"12345", Some(Duration::from_secs(60)))
                .await
                .expect("set");
        }
        store
            .set(&mine, "stays", None, b"1", None)
            .await
            .expect("set");
        let usage = |session: Option<&str>, bytes| KvUsage {
            session: session.map(|session| session.parse().expect("id")),
            bytes,
        };
        assert_eq!(
            store.kv_usage("p").await.expect("read"),
            [usage(None, 15), usage(Some("shop"), 9)]
        );
        store
            .writer
            .statement(sqlx::query(
                "UPDATE kv SET expires_at = 1 WHERE key = 'gone'",
            ))
            .await
            .expect("a minute later");
        assert_eq!(
            store.kv_usage("p").await.expect("read"),
            [usage(None, 6)],
            "a namespace with nothing but expired keys is empty"
        );
        assert_eq!(store.kv_entry("p", None, "gone").await.expect("read"), None);
        let keys = store.kv_keys("p", None, "", None, 10).await.expect("read");
        assert_eq!(keys.len(), 1, "{keys:?}");
        let stays = store
            .kv_entry("p", None, "stays")
            .await
            .expect("read")
            .expect("there");
        assert_eq!((&stays.key, stays.value.as_slice()), (&keys[0], &b"1"[..]));
        assert_eq!(stays.key.expires_at, None);
        assert_eq!(store.kv_usage("other").await.expect("read"), []);
    }

    #[tokio::test]
    async fn no_question_of_an_operator_scans_other_plugins() {
        let (_dir, store) = scratch().await;
        for sql in [USAGE, KEYS, ENTRY] {
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
                    .fetch_all(&mut *store.readers.get().await.expect("reader"))
                    .await
                    .expect("a plan");
            for (.., line) in plan {
                assert!(
                    !line.starts_with("SCAN") && !line.contains("TEMP B-TREE"),
                    "{sql}: {line}"
                );
            }
        }
    }
}

//! Idempotency keys: a request that is repeated under the same key finds what the first one stored,
//! whatever its outcome was.
//!
//! Requests are compared by digests. A caller's request has two: one with the recipients as they
//! were parsed, one with the recipients as they were written. One match is enough. So another
//! spelling of a number is the same request, and the same spelling stays the same request even if
//! it is parsed differently today. A row of an earlier version has one digest of another form; it
//! is compared with the digest that the earlier version would have made.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::error::StoreError;

/// A caller's key for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The namespace of the key: callers do not see each other's keys.
    pub scope: String,
    /// The key as the caller gave it.
    pub key: String,
    /// Digest of the request with its recipients as they were parsed.
    pub fingerprint: String,
    /// Digest of the request with its recipients as they were written; `None` for the gateway's own
    /// requests.
    pub written: Option<String>,
    /// Digests that earlier versions of the gateway would have stored for this request. They are
    /// compared, never stored.
    pub earlier: Vec<String>,
}

impl Idempotency {
    /// The key of a request that the gateway makes itself. The key serves as the digest.
    #[must_use]
    pub fn own(scope: &str, key: String) -> Self {
        Self {
            scope: scope.to_owned(),
            fingerprint: key.clone(),
            key,
            written: None,
            earlier: vec![],
        }
    }

    /// Whether a row with the columns `fingerprint` and `written` was stored for this request.
    fn is_that_of(&self, row: &SqliteRow) -> Result<bool, StoreError> {
        let fingerprint: Option<String> = row.try_get("fingerprint")?;
        let written: Option<String> = row.try_get("written")?;
        let understood = fingerprint.as_ref() == Some(&self.fingerprint);
        Ok(understood
            || match written {
                Some(written) => self.written == Some(written),
                None => fingerprint.is_some_and(|fingerprint| self.earlier.contains(&fingerprint)),
            })
    }
}

/// What a key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Used {
    /// The same request, which is stored under this id.
    Same(String),
    /// Another request.
    Other,
}

/// What a message's key was used for, or `None` if the key is new.
pub(super) async fn send(
    connection: &mut SqliteConnection,
    key: &Idempotency,
) -> Result<Option<Used>, StoreError> {
    let sql =
        "SELECT fingerprint, written, outbox_id AS id FROM idempotency WHERE scope = ? AND key = ?";
    used(connection, sql, key).await
}

/// What a bulk order's key was used for, or `None` if the key is new.
pub(super) async fn order(
    connection: &mut SqliteConnection,
    key: &Idempotency,
) -> Result<Option<Used>, StoreError> {
    let sql = "SELECT fingerprint, written, id FROM bulk WHERE scope = ? AND key = ?";
    used(connection, sql, key).await
}

async fn used(
    connection: &mut SqliteConnection,
    sql: &'static str,
    key: &Idempotency,
) -> Result<Option<Used>, StoreError> {
    let Some(row) = sqlx::query(sql)
        .bind(&key.scope)
        .bind(&key.key)
        .fetch_optional(connection)
        .await?
    else {
        return Ok(None);
    };
    Ok(Some(if key.is_that_of(&row)? {
        Used::Same(row.try_get("id")?)
    } else {
        Used::Other
    }))
}

//! The keys under which callers repeat a request: one key is one request, found again whatever
//! became of it.
//!
//! What is compared are digests of what was asked for. A caller's request has two: one with its
//! recipients as they were understood, one with them as they were written. One that agrees is
//! enough, so another spelling is the same request, and so are the same words that are understood
//! otherwise today. A row of an earlier version has one digest, made otherwise; it is compared with
//! what that version would have made of the request.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::error::StoreError;

/// A caller's key for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Whose keys: callers do not see each other's.
    pub scope: String,
    /// As given.
    pub key: String,
    /// Digest of the request with its recipients as they are understood.
    pub fingerprint: String,
    /// Digest of the request with its recipients as they were written; none: nobody wrote it.
    pub written: Option<String>,
    /// Digests that earlier versions of the gateway would have stored for it. They are compared and
    /// never stored.
    pub earlier: Vec<String>,
}

impl Idempotency {
    /// A request of the gateway's own, which has one spelling.
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

/// What a key was used for before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Used {
    /// For the same request, which is stored under this name.
    Same(String),
    /// For another request.
    Other,
}

/// What is stored for a send under a key.
pub(super) async fn send(
    connection: &mut SqliteConnection,
    key: &Idempotency,
) -> Result<Option<Used>, StoreError> {
    let sql = "SELECT fingerprint, written, outbox_id FROM idempotency WHERE scope = ? AND key = ?";
    let Some(row) = sqlx::query(sql)
        .bind(&key.scope)
        .bind(&key.key)
        .fetch_optional(connection)
        .await?
    else {
        return Ok(None);
    };
    Ok(Some(if key.is_that_of(&row)? {
        Used::Same(row.try_get("outbox_id")?)
    } else {
        Used::Other
    }))
}

/// What is stored for an order under a key.
pub(super) async fn order(
    connection: &mut SqliteConnection,
    key: &Idempotency,
) -> Result<Option<Used>, StoreError> {
    let sql = "SELECT fingerprint, written, id FROM bulk WHERE scope = ? AND key = ?";
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

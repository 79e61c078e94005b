//! What callers are told when the database cannot serve them: the same on every path.

use axum::http::StatusCode;

use super::{problem::Problem, reply::Failure};
use crate::outbox::StoreError;

/// Seconds after which a lack of room is worth another try.
const BUSY: u64 = 1;
const FULL: u64 = 60;

/// An answer, whatever its form.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    title: &'static str,
    /// Seconds until another try may help.
    pub(super) retry_after: Option<u64>,
}

/// What an error of the database is to callers.
pub(super) fn answer(error: &StoreError) -> Answer {
    let (status, code, title, retry_after) = match error {
        StoreError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Gateway is busy", Some(BUSY)),
        StoreError::Full => (StatusCode::SERVICE_UNAVAILABLE, "storage_full", "Disk is full", Some(FULL)),
        StoreError::Moved { .. } => (StatusCode::SERVICE_UNAVAILABLE, "storage_moved", "Database was moved away", Some(FULL)),
        StoreError::Corrupt(_) => (StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "Stored data cannot be read", None),
        StoreError::Open { .. } | StoreError::TooNew { .. } | StoreError::Database(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", None)
        }
    };
    Answer { status, code, title, retry_after }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let Answer { status, code, retry_after, .. } = answer(&error);
        Self::new(status, code, error.to_string()).after(retry_after)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let Answer { status, code, title, retry_after } = answer(&error);
        retry_after.into_iter().fold(Self::new(status, code, title, error.to_string()), Self::after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_try_may_mend_is_503_with_a_time() {
        for (error, status, code, retry) in [
            (StoreError::Busy, 503, "busy", true),
            (StoreError::Full, 503, "storage_full", true),
            (StoreError::Moved { path: "wharf.db".into() }, 503, "storage_moved", true),
            (StoreError::Corrupt("row".into()), 500, "unreadable", false),
            (StoreError::Database("words".into()), 500, "internal", false),
        ] {
            let told = answer(&error);
            assert_eq!((told.status.as_u16(), told.code, told.retry_after.is_some()), (status, code, retry), "{error}");
        }
    }
}

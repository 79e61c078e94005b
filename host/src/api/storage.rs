//! What callers are told when the database cannot serve them: the same on every path.

use axum::http::StatusCode;

use super::{
    problem::Problem,
    reply::{self, Failure},
};
use crate::outbox::StoreError;

/// Seconds after which a lack of room is worth another try.
const BUSY: u64 = 1;
const FULL: u64 = 60;

/// An answer, whatever its form.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    title: &'static str,
    /// What callers are told: neither SQLite's words nor where the database lies.
    pub(super) words: &'static str,
    /// Seconds until another try may help.
    pub(super) retry_after: Option<u64>,
}

/// What an error of the database is to callers.
pub(super) fn answer(error: &StoreError) -> Answer {
    const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    const INTERNAL: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
    let (status, code, title, words, retry_after) = match error {
        StoreError::Busy => {
            let words = "the database is busy: too many writes are waiting, or another program holds its lock";
            (UNAVAILABLE, "busy", "Gateway is busy", words, Some(BUSY))
        }
        StoreError::Full => {
            (UNAVAILABLE, "storage_full", "Disk is full", "the disk is full: the database cannot be written until there is space", Some(FULL))
        }
        StoreError::Moved { .. } => {
            let words = "the database was moved away or replaced while the gateway runs; nothing is accepted until it is back";
            (UNAVAILABLE, "storage_moved", "Database was moved away", words, Some(FULL))
        }
        StoreError::Corrupt(_) => {
            let words = "what is stored cannot be read: written by another version, or broken; the gateway's log says what, under this request's id";
            (INTERNAL, "unreadable", "Stored data cannot be read", words, None)
        }
        StoreError::Open { .. } | StoreError::TooNew { .. } | StoreError::Database(_) => {
            (INTERNAL, "internal", "Internal error", reply::INTERNAL, None)
        }
    };
    Answer { status, code, title, words, retry_after }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Failure::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let Answer { status, code, title, words, retry_after } = answer(&error);
        let failure = retry_after.into_iter().fold(Self::new(status, code, title, words), Self::after);
        // What another try may mend is told by the store itself, once, when it begins.
        if status == StatusCode::INTERNAL_SERVER_ERROR { failure.because(error) } else { failure }
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
            let body = Failure::from(error).body().to_string();
            assert!(!body.contains("wharf.db") && !body.contains("words"), "{body}");
        }
    }
}

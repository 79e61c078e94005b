//! Deadlines of a connection.

use std::time::Duration;

/// How long a connection may take for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) header: Duration,
    pub(super) idle: Duration,
    pub(super) body: Duration,
    /// Bytes a second.
    pub(super) rate: u64,
    pub(super) answer: Duration,
}

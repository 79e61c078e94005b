//! Deadlines of a connection.

use std::time::Duration;

/// The time that each phase of a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) header: Duration,
    pub(super) idle: Duration,
    pub(super) body: Duration,
    /// The minimum rate of a request body, in bytes per second.
    pub(super) rate: u64,
    pub(super) answer: Duration,
}

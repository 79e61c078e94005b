//! The outbox: accept, persist, send, acknowledge, reconcile.
//!
//! SQLite is the only state. A send gets its WhatsApp id and its row before the browser is touched,
//! so after any crash the question "was it sent?" has an answer: the page is asked for that id.
//! Memory only wakes those who wait.
//!
//! A send is accepted (`accept`), and begun and given to the page by its session's `sender`: from
//! the queue, or on the `fast_path` when nothing holds it back. What follows the page's answer is
//! the same for both (`sender/answer`).

mod accept;
mod bulk;
mod busy;
mod changes;
mod claims;
mod fast_path;
mod handle;
mod held;
mod links;
mod news;
mod outcome;
mod pace;
mod queries;
mod restrict;
mod sender;
#[cfg(test)]
mod tests;
mod wait;
mod waiters;

pub use accept::{AcceptError, Requested, SendRequest, sendable};
pub use bulk::{BulkMessage, BulkRequest};
pub use busy::HeldBack;
pub use changes::ChangeError;
pub use handle::Outbox;
pub use wait::Until;

pub use crate::store::{
    Accepted, BulkRecipient, BulkReport, Filter, Held, HistoryRow, Idempotency, Listed, OutboxId,
    OutboxRow, RowState, Sending, StoreError,
};

//! The outbox: accept, persist, send, acknowledge, reconcile.
//!
//! The state is in SQLite only; memory only serves to wake callers that wait. A message gets its
//! WhatsApp id and its row before the browser is touched, so after any crash the page can be asked
//! whether it has that id.
//!
//! A message is accepted (`accept`), and the `sender` of its session hands it to the page: from the
//! queue, or on the `fast_path` if nothing holds it back. What follows the page's answer is the
//! same for both (`sender/answer`).

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
    Accepted, BulkRecipient, BulkReport, CallDetails, Filter, Held, HistoryRow, Idempotency,
    Listed, OutboxId, OutboxRow, RowState, Sending, StoreError, StoredCall, StoredDecision,
};

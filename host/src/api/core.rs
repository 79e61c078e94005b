//! What handlers need of the gateway. Implemented by the composition root.

use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::Value;

use super::{HelperAddress, LinkFailure, PasskeyFailure};
use crate::{
    events::{DeliveryFilter, Letter, ReceiverReport},
    model::{ClientId, MessageId, Outcome, PhoneNumber, Priority, Recipient, Region, Restriction, SessionState, Timestamp},
    outbox::{
        AcceptError, Accepted, BulkRecipient, BulkReport, BulkRequest, ChangeError, Filter, Held, HeldBack, HistoryRow, Idempotency, Listed,
        OutboxId, OutboxRow, Requested, Sending, StoreError, Until,
    },
    session::{Cleanup, LogoutError, PairingView, PasskeyView, ProfileFate, Snapshot},
};

/// The gateway, as the API sees it.
#[async_trait]
pub trait Core: Send + Sync + Debug + 'static {
    /// The client id of calls that name none.
    fn default_client(&self) -> &ClientId;

    /// The region that completes national numbers.
    fn region(&self) -> Option<Region>;

    /// A session now; none: there is no such session.
    fn session(&self, client: &ClientId) -> Option<Snapshot>;

    /// Everything that is known of a session, as a JSON object.
    async fn session_info(&self, client: &ClientId) -> Result<Value, SessionFailure>;

    /// The answer to a send that was accepted under that key before; none: the key is new. `until` is what its caller wants
    /// to know.
    async fn repeated(&self, key: &Idempotency, until: Until) -> Result<Option<SendReply>, SendFailure>;

    /// Accepts a send, and waits for its outcome unless told otherwise.
    async fn send(&self, call: SendCall) -> Result<SendReply, SendFailure>;

    /// An accepted send, and what happened to it.
    async fn message(&self, id: &OutboxId) -> Result<Option<(OutboxRow, Vec<HistoryRow>)>, StoreError>;

    /// One page of accepted sends, newest first.
    async fn messages(&self, filter: &Filter) -> Result<Listed, StoreError>;

    /// The sends of that id, or of that idempotency key of a caller.
    async fn search_messages(&self, words: &str, scope: &str) -> Result<Vec<OutboxRow>, StoreError>;

    /// Takes back a send that has not begun.
    async fn cancel_message(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError>;

    /// Puts a send that ended without leaving back into the line.
    async fn retry_message(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError>;

    /// Takes back every send of a session that has not begun; how many those were.
    async fn purge_messages(&self, client: &ClientId) -> Result<u64, StoreError>;

    /// The bulk order that was taken in under that key before; none: the key is new.
    async fn repeated_bulk(&self, key: &Idempotency) -> Result<Option<String>, SendFailure>;

    /// Takes one message to many in; the order's name.
    async fn create_bulk(&self, request: BulkRequest) -> Result<String, SendFailure>;

    /// How far an order has come.
    async fn bulk(&self, id: &str) -> Result<Option<BulkReport>, StoreError>;

    /// What became of the recipients of an order, from a place on.
    async fn bulk_recipients(&self, order: &BulkReport, state: Option<&str>, from: i64, limit: u32) -> Result<Vec<BulkRecipient>, StoreError>;

    /// Takes back what has not begun of an order; how many recipients that were.
    async fn cancel_bulk(&self, order: &BulkReport) -> Result<u64, StoreError>;

    /// Whether a session may send, and what WhatsApp does not let it do.
    async fn sending(&self, client: &ClientId) -> Result<(Sending, Vec<Restriction>), SessionFailure>;

    /// Lets a session write to strangers again, whatever WhatsApp has said.
    async fn lift_restrictions(&self, client: &ClientId) -> Result<(), SessionFailure>;

    /// Pauses the sends of a session, or lets them go on.
    async fn pause_sending(&self, client: &ClientId, pause: bool) -> Result<(), SessionFailure>;

    /// One page of deliveries, newest first, and where the next one begins.
    async fn deliveries(&self, filter: &DeliveryFilter, before: Option<&str>, limit: u32) -> Result<(Vec<Letter>, Option<String>), StoreError>;

    /// One delivery.
    async fn delivery(&self, id: &str) -> Result<Option<Letter>, StoreError>;

    /// The receivers for which something waits or is dead, and those that fail.
    async fn receivers(&self) -> Result<Vec<ReceiverReport>, StoreError>;

    /// Makes a dead letter, or a delivery that waits, due now. False: it is neither.
    async fn retry_delivery(&self, id: &str) -> Result<bool, StoreError>;

    /// The same with all that is meant; how many.
    async fn retry_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError>;

    /// Deletes a dead letter, or a delivery that waits. False: it is neither.
    async fn purge_delivery(&self, id: &str) -> Result<bool, StoreError>;

    /// The same with all that is meant; how many.
    async fn purge_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError>;
    /// What waits to be sent and was accepted for another account than the session has now.
    async fn held(&self, client: &ClientId) -> Result<Held, SessionFailure>;

    /// Releases or cancels that; how much it was.
    async fn change_held(&self, client: &ClientId, action: HeldAction) -> Result<Held, SessionFailure>;

    /// Every session now, by client id.
    fn sessions(&self) -> Vec<(ClientId, Snapshot)>;

    /// Makes a session that stays until it is deleted.
    async fn create_session(&self, client: ClientId, start: bool, metadata: Vec<(String, String)>) -> Result<(), SessionFailure>;

    /// Tells a session something; what is wanted is remembered across restarts.
    async fn control_session(&self, client: &ClientId, action: SessionAction) -> Result<(), SessionFailure>;

    /// Ends a session that was made through the API.
    async fn delete_session(&self, client: &ClientId, fate: ProfileFate) -> Result<Cleanup, SessionFailure>;

    /// Starts a session anew, from whatever state.
    async fn reconnect(&self, client: &ClientId) -> Result<(), SessionFailure>;

    /// A code that links a session when the owner of `number` types it on the phone.
    async fn pairing_code(&self, client: &ClientId, number: &PhoneNumber) -> Result<PairingView, LinkFailure>;

    /// Gives that code up and shows QR codes again.
    async fn cancel_pairing(&self, client: &ClientId) -> Result<(), LinkFailure>;

    /// Where helper pages are reached.
    fn helper(&self) -> &HelperAddress;

    /// Gives the page of a session an assertion, JSON as a browser makes it.
    async fn answer_passkey(&self, client: &ClientId, assertion: &[u8]) -> Result<PasskeyView, PasskeyFailure>;

    /// A person says that the phone shows this code.
    async fn confirm_passkey(&self, client: &ClientId, code: &str) -> Result<PasskeyView, PasskeyFailure>;

    /// Gives a passkey ceremony up.
    async fn cancel_passkey(&self, client: &ClientId) -> Result<(), PasskeyFailure>;

    /// Cleans the session directory, or only says what would be done.
    async fn cleanup(&self, dry_run: bool) -> Result<Cleanup, String>;

    /// Metrics in the Prometheus text format.
    fn metrics(&self) -> String;

    /// Whether the gateway can accept sends now, and why not.
    async fn ready(&self) -> Result<(), StoreError>;
}

/// A send, as a caller wants it.
#[derive(Debug, Clone)]
pub struct SendCall {
    /// By which session.
    pub client: ClientId,
    /// To whom.
    pub to: Recipient,
    /// What.
    pub content: Requested,
    /// Bare id of the message it answers.
    pub reply_to: Option<MessageId>,
    /// When; none: now.
    pub send_at: Option<Timestamp>,
    /// Not to be begun after.
    pub expires_at: Option<Timestamp>,
    /// What goes first.
    pub priority: Priority,
    /// Free-form pairs of the caller.
    pub metadata: Vec<(String, String)>,
    /// So that a retry is not a second message.
    pub idempotency: Option<Idempotency>,
    /// When to answer.
    pub until: Until,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum SendReply {
    /// It has an outcome.
    Done(Box<OutboxRow>, Outcome),
    /// It is accepted, and as far as the call wanted to wait.
    Accepted(Accepted),
}

/// Why it was not accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SendFailure {
    /// There is no such session.
    #[error("there is no session {0}")]
    UnknownClient(ClientId),
    /// The session cannot send now.
    #[error("the session is {state}: {reason}")]
    NotReady {
        /// Where it stands.
        state: SessionState,
        /// Why.
        reason: String,
    },
    /// It could not begin now, and the operator does not let callers wait.
    #[error("{}", .0.reason)]
    HeldBack(HeldBack),
    /// Template, plugin, key or database.
    #[error(transparent)]
    Refused(#[from] AcceptError),
}

/// What can be done with what was accepted for another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldAction {
    /// It leaves with the account that the session has now.
    Release,
    /// It does not leave.
    Cancel,
}

/// What a session can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAction {
    /// Run, unless it does.
    Start,
    /// Close the browser and rest.
    Stop,
    /// Close the browser and start anew, forgetting earlier failures.
    Restart,
    /// End the login at WhatsApp.
    Logout,
}

/// Why a session did not do what it was told.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SessionFailure {
    /// There is no such session.
    #[error("there is no session {0}")]
    Unknown(ClientId),
    /// There is one already.
    #[error("there is a session {0} already")]
    Exists(ClientId),
    /// It is not the API's to delete.
    #[error("the session {0} is named in the configuration; remove it there")]
    Named(ClientId),
    /// The login was not ended.
    #[error(transparent)]
    Logout(#[from] LogoutError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system's words.
    #[error("{0}")]
    Failed(String),
}

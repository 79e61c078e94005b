//! What events say that the contract with plugins has no type of its own for: they pass through it as JSON.
//!
//! Each is a type all the same, so that what webhooks are told is described by what is sent.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Account, Address, Event, MessageId, RestrictionKind, Timestamp};

/// The JSON of such an event.
pub trait Told: Serialize {
    /// Its dotted name.
    const KIND: &'static str;

    /// The event.
    fn event(&self) -> Event {
        // Strings, numbers and lists of them are always JSON.
        Event::Other { kind: Self::KIND.into(), json: serde_json::to_string(self).unwrap_or_else(|_| "{}".into()) }
    }
}

/// A code can be typed on the phone.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookPairingCode")]
pub struct PairingCode {
    /// The code, `ABCD-EFGH`.
    pub code: String,
    /// When it can be typed no more, RFC 3339.
    pub expires_at: String,
    /// 1 for the first since QR codes were shown.
    pub attempt: u32,
}

/// What an operator should know of a session.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookNotices")]
pub struct Notices {
    /// All that is to be known now, for people; empty when nothing is any more.
    pub notices: Vec<String>,
}

impl Told for Notices {
    const KIND: &'static str = "session.notices";
}

/// A restriction began or ended.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookRestriction")]
pub struct Restricted {
    /// Which one.
    pub kind: RestrictionKind,
    /// WhatsApp's own code of it: 463 or 475.
    pub code: u32,
    /// Whether it holds; false: it is over.
    pub active: bool,
    /// Since when, in milliseconds since the Unix epoch.
    #[schemars(with = "i64")]
    pub since: Timestamp,
    /// When it ends or ended, in milliseconds since the Unix epoch; where WhatsApp does not say so, when strangers are tried
    /// again.
    #[schemars(with = "i64")]
    pub until: Timestamp,
}

impl Told for Restricted {
    const KIND: &'static str = "session.restriction";
}

/// A session is linked to another account than before.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookRelinked")]
pub struct Relinked {
    /// The account before.
    pub previous: Account,
    /// The account now; null as long as nobody knows whose the login is.
    pub account: Option<Account>,
    /// What is held because it was accepted for the account before.
    pub held: HeldCounts,
}

/// What is held.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct HeldCounts {
    /// Messages, queued and scheduled.
    pub messages: u64,
    /// Recipients of bulk orders that were not taken in.
    pub recipients: u64,
}

impl Told for Relinked {
    const KIND: &'static str = "session.relinked";
}

/// The outcome of a message is not known.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookUnknown")]
pub struct Unknown {
    /// The message's bare WhatsApp id.
    pub id: MessageId,
    /// Why it is not known, for people.
    pub reason: String,
    /// To whom.
    pub to: Address,
    /// Whether nobody is asked any more; false: the page is asked until it knows.
    #[serde(rename = "final")]
    pub for_good: bool,
}

impl Told for Unknown {
    const KIND: &'static str = "message.unknown";
}

/// Something went wrong in the page.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "WebhookBridgeFault")]
pub struct Fault {
    /// The part of the bridge.
    pub place: String,
    /// The kind of error.
    pub error: String,
    /// How often, since `since`.
    pub count: u64,
    /// When it was first seen, RFC 3339.
    pub since: String,
}

impl Told for Fault {
    const KIND: &'static str = "bridge.fault";
}

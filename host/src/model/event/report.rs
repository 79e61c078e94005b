//! Events with a payload of their own. To add one: its struct and its name here, and the place that
//! reports it.
//!
//! Receivers get the payload as the JSON object it is written as; the field names are part of the
//! API.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::{
    super::{Address, MessageId, RestrictionKind, Timestamp},
    Account,
};

/// The payload of an event that only its author and its receivers look into.
pub trait Report: Serialize {
    /// Dotted name of the event, e.g. `session.notices`; filters match on it. In [`REPORTS`], too.
    const KIND: &'static str;
}

/// The names of all reports. A passkey's is defined with the ceremony, in `session`.
pub const REPORTS: [&str; 6] = [
    BridgeFault::KIND,
    MessageUnknown::KIND,
    SessionNotices::KIND,
    "session.passkey",
    Relinked::KIND,
    RestrictionChanged::KIND,
];

/// Something went wrong inside the bridge script of a page, or could not be read of what it
/// reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "WebhookBridgeFault")]
pub struct BridgeFault {
    /// The part of the bridge.
    pub place: String,
    /// The kind of error, e.g. `TypeError`; never its message, which could quote a chat.
    pub error: String,
    /// Faults of this place and kind since `since`.
    pub count: u64,
    /// The first of them. RFC 3339, UTC.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "String")]
    pub since: Timestamp,
}

impl Report for BridgeFault {
    const KIND: &'static str = "bridge.fault";
}

/// Nobody knows whether a message has left; it is not a failure.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "WebhookUnknown")]
pub struct MessageUnknown {
    /// The WhatsApp id of the message.
    pub id: MessageId,
    /// Why nobody knows.
    pub reason: String,
    /// The chat it was for.
    pub to: Address,
    /// False: the gateway is finding out. True: nobody is asked any more.
    #[serde(rename = "final")]
    pub is_final: bool,
}

impl Report for MessageUnknown {
    const KIND: &'static str = "message.unknown";
}

/// What an operator should know about a session has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "WebhookNotices")]
pub struct SessionNotices {
    /// All notices that hold now; empty when there are none any more.
    pub notices: Vec<String>,
}

impl Report for SessionNotices {
    const KIND: &'static str = "session.notices";
}

/// A session was linked to another account than before. What was accepted for the earlier account
/// is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "WebhookRelinked")]
pub struct Relinked {
    /// The account before.
    pub previous: Account,
    /// The account now, if it is known.
    pub account: Option<Account>,
    /// How much is held.
    pub held: HeldCounts,
}

/// How much is held because it was accepted for another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeldCounts {
    /// Messages.
    pub messages: u64,
    /// Recipients of bulk orders.
    pub recipients: u64,
}

impl Report for Relinked {
    const KIND: &'static str = "session.relinked";
}

/// WhatsApp restricts an account, or a restriction has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "WebhookRestriction")]
pub struct RestrictionChanged {
    /// Which restriction.
    pub kind: RestrictionKind,
    /// WhatsApp's code: 463 or 475.
    pub code: u32,
    /// Whether it holds now.
    pub active: bool,
    /// When it began. Milliseconds since the Unix epoch.
    #[schemars(with = "i64")]
    pub since: Timestamp,
    /// When it ends or is tried again. Milliseconds since the Unix epoch.
    #[schemars(with = "i64")]
    pub until: Timestamp,
}

impl Report for RestrictionChanged {
    const KIND: &'static str = "session.restriction";
}

/// A pairing code as notifiers get it: the contract with plugins has no type of its own for it. A
/// credential.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookPairingCode")]
pub struct PairingCodeShown {
    /// The code, `ABCD-EFGH`.
    pub code: String,
    /// After this it cannot be typed any more. RFC 3339, UTC.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// 1 for the first since QR codes were shown.
    pub attempt: u32,
}

impl std::fmt::Debug for PairingCodeShown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PairingCodeShown")
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Event;

    #[test]
    fn a_report_is_written_under_its_name_with_the_fields_that_receivers_know() {
        let since = Timestamp(1_700_000_000_007);
        let fault = BridgeFault {
            place: "take".into(),
            error: "TypeError".into(),
            count: 1,
            since,
        };
        let Event::Other { kind, json } = Event::report(&fault) else {
            panic!("another event")
        };
        assert_eq!(
            (kind.as_str(), json.as_str()),
            (
                "bridge.fault",
                r#"{"place":"take","error":"TypeError","count":1,"since":"2023-11-14T22:13:20.007Z"}"#
            )
        );
        let restriction = RestrictionChanged {
            kind: RestrictionKind::NewChatLimit,
            code: 475,
            active: true,
            since,
            until: since,
        };
        let written = serde_json::to_string(&restriction).expect("written");
        assert_eq!(
            written,
            r#"{"kind":"new_chat_limit","code":475,"active":true,"since":1700000000007,"until":1700000000007}"#
        );
        let account = Account {
            pn: Some("1@c.us".into()),
            ..Account::default()
        };
        let relinked = Relinked {
            previous: account,
            account: None,
            held: HeldCounts {
                messages: 1,
                recipients: 2,
            },
        };
        let written = serde_json::to_string(&relinked).expect("written");
        assert_eq!(
            written,
            r#"{"previous":{"pn":"1@c.us","lid":null,"pushName":null},"account":null,"held":{"messages":1,"recipients":2}}"#
        );
    }

    #[test]
    fn no_two_reports_have_one_name() {
        let mut names = REPORTS.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), REPORTS.len());
    }
}

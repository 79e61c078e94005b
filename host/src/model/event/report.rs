//! Events with a payload of their own. A new one needs its struct and its line in the list here,
//! and the code that reports it. Its documentation is what the OpenAPI document says of the event.
//!
//! Receivers get the payload as this JSON object, so the field names are part of the API. It is read
//! again where the contract with plugins has a type for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::{Address, MessageId, RestrictionKind, Timestamp},
    Account,
};

/// The payload of an event whose content only its author and its receivers use.
pub trait Report: Serialize {
    /// The dotted name of the event, e.g. `session.notices`; filters match it. It must be in
    /// the list of `reports!`.
    const KIND: &'static str;
}

/// Visits the types of reports.
pub trait ReportVisitor {
    /// Visits one report.
    fn visit<R: Report + JsonSchema>(&mut self);
}

/// Gives each report its name, and makes the list of all.
macro_rules! reports {
    ($($kind:literal => $Report:ident,)+) => {
        $(impl Report for $Report {
            const KIND: &'static str = $kind;
        })+

        /// The names of all reports. `session` defines the one about passkeys.
        pub const REPORTS: &[&str] = &["session.passkey", $($kind),+];

        /// Visits every report that is defined here.
        pub fn visit_reports(visitor: &mut impl ReportVisitor) {
            $(visitor.visit::<$Report>();)+
        }
    };
}

reports! {
    "bridge.fault" => BridgeFault,
    "message.unknown" => MessageUnknown,
    "plugin.quarantined" => PluginQuarantined,
    "plugin.quarantine_ended" => PluginQuarantineEnded,
    "session.notices" => SessionNotices,
    "session.relinked" => Relinked,
    "session.restriction" => RestrictionChanged,
}

/// An error occurred in the page, inside the bridge script, or a part of the script's reports could
/// not be read. Its place in the code is reported, never its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WebhookBridgeFault")]
pub struct BridgeFault {
    /// The part of the bridge script.
    pub place: String,
    /// The kind of error, e.g. `TypeError`; never its message, which could quote a chat.
    pub error: String,
    /// Number of faults of this place and kind since `since`.
    pub count: u64,
    /// When the first of them occurred. RFC 3339, UTC.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub since: Timestamp,
}

/// It is not known whether a message was sent. Do not send it again: the gateway determines the
/// outcome by its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WebhookUnknown")]
pub struct MessageUnknown {
    /// The WhatsApp id of the message.
    pub id: MessageId,
    /// Why the outcome is unknown.
    pub reason: String,
    /// The chat it was for.
    pub to: Address,
    /// False while the gateway is determining the outcome; true if the outcome stays unknown.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// A plugin failed too often and is not called for a while, as its entry says. The event belongs to
/// the session whose call failed last, but concerns every session that the plugin serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookPluginQuarantined")]
pub struct PluginQuarantined {
    /// The name of the plugin; of its candidate, the name followed by `@candidate`.
    pub plugin: String,
    /// SHA-256 of its component, in hex.
    pub component: String,
    /// How the last call failed: `failed`, `trapped`, `over_cpu`, `over_memory` or `timed_out`.
    pub outcome: String,
    /// How many calls failed.
    pub failures: u32,
    /// Within how many milliseconds.
    pub within_ms: u64,
    /// Until when the plugin is not called. RFC 3339, UTC.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub until: Timestamp,
}

/// A plugin that was quarantined is called again: the time of the quarantine is over, or the plugin
/// was reloaded or removed. The event belongs to the session of the event `plugin.quarantined`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "WebhookPluginQuarantineEnded")]
pub struct PluginQuarantineEnded {
    /// The name of the plugin; of its candidate, the name followed by `@candidate`.
    pub plugin: String,
    /// SHA-256 of the component that was quarantined, in hex.
    pub component: String,
}

/// The notices of a session for its operator have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WebhookNotices")]
pub struct SessionNotices {
    /// All current notices; empty if there are none any more.
    pub notices: Vec<String>,
}

/// A session was linked to a different account. Messages that were accepted for the previous
/// account are held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WebhookRelinked")]
pub struct Relinked {
    /// The previous account.
    pub previous: Account,
    /// The new account, if it is known.
    pub account: Option<Account>,
    /// How many messages are held.
    pub held: HeldCounts,
}

/// How many messages are held because they were accepted for another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldCounts {
    /// Number of messages.
    pub messages: u64,
    /// Number of recipients of bulk orders.
    pub recipients: u64,
}

/// WhatsApp has restricted an account, or a restriction has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WebhookRestriction")]
pub struct RestrictionChanged {
    /// The kind of restriction.
    pub kind: RestrictionKind,
    /// WhatsApp's code: 463 or 475.
    pub code: u32,
    /// Whether the restriction applies now.
    pub active: bool,
    /// When it began. Milliseconds since the Unix epoch.
    #[schemars(with = "i64")]
    pub since: Timestamp,
    /// When it ends, or when messages to strangers are tried again. Milliseconds since the Unix
    /// epoch.
    #[schemars(with = "i64")]
    pub until: Timestamp,
}

/// A pairing code as receivers get it. It is a credential.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookPairingCode")]
pub struct PairingCodeShown {
    /// The code, `ABCD-EFGH`.
    pub code: String,
    /// When the code becomes invalid. RFC 3339, UTC.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// The number of the code since QR codes were shown, from 1.
    pub attempt: u32,
}

impl std::fmt::Debug for PairingCodeShown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PairingCodeShown")
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// Times as RFC 3339.
mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use serde_json::Value;

    use crate::model::Timestamp;

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&at.rfc3339())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let written = Value::String(String::deserialize(from)?);
        Timestamp::written(&written).ok_or_else(|| de::Error::custom("expected RFC 3339"))
    }
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

//! Addresses, and the key by which clients of WAHA identify a message.

use serde::Serialize;

/// A person or a chat, in both forms when both are known.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookAddress")
)]
pub(super) struct Address<'a> {
    /// The id of the chat.
    id: &'a str,
    /// The number, `…@c.us`, when known.
    pn: Option<&'a str>,
    /// The opaque id, `…@lid`, when known.
    lid: Option<&'a str>,
}

pub(super) fn address(address: &wharf_plugin::Address) -> Address<'_> {
    Address {
        id: &address.chat,
        pn: address.pn.as_deref(),
        lid: address.lid.as_deref(),
    }
}

/// The serialized key of a message. In a group it includes the author, unless that is this account.
pub(super) fn key(from_me: bool, chat: &str, id: &str, participant: &str) -> String {
    if from_me || participant.is_empty() {
        format!("{from_me}_{chat}_{id}")
    } else {
        format!("{from_me}_{chat}_{id}_{participant}")
    }
}
